# What the ledger of security_groups says → one AWS CLI command for each rule that was changed, which restores it.
#
#   jq -r --slurpfile there there.json -f restore.jq removals.json
#
# removals.json: the bodies of the ledger's removals. there.json: the ids of the rules that are there now. Of a rule that
# is there the peer is given back; one that is gone is made again, with its description and tags.

def is_cidr: type == "string";
def modified_peer:
  if is_cidr then {(if contains(":") then "CidrIpv6" else "CidrIpv4" end): .}
  elif has("prefix_list") then {PrefixListId: .prefix_list}
  else {ReferencedGroupId: .group} end;
def permitted_peer($description):
  if is_cidr and contains(":") then {Ipv6Ranges: [{CidrIpv6: .} + $description]}
  elif is_cidr then {IpRanges: [{CidrIp: .} + $description]}
  elif has("prefix_list") then {PrefixListIds: [{PrefixListId: .prefix_list} + $description]}
  else
    ({GroupId: .group, UserId: .owner, VpcPeeringConnectionId: .peering} | map_values(select(. != "" and . != null)))
    | {UserIdGroupPairs: [. + $description]}
  end;
def argument($name): " --\($name) \(tojson | @sh)";

.[]
| fromjson
| select(.state | IN("approved", "quarantined", "revoking", "revoked", "closed", "restoring"))
| .candidate.rule as $rule
| (if $rule.protocol | IN(6, 17) then $rule.ports elif $rule.protocol | IN(1, 58) then $rule.icmp else [-1, -1] end) as $ports
| {IpProtocol: "\($rule.protocol)", FromPort: $ports[0], ToPort: $ports[1]} as $traffic
| if $rule.id | IN($there[0][]) then
    [{SecurityGroupRuleId: $rule.id, SecurityGroupRule: ($traffic + ($rule.peer | modified_peer) + {Description: $rule.description})}]
    | "aws ec2 modify-security-group-rules --group-id \($rule.group)" + argument("security-group-rules")
  else
    (if $rule.description == "" then {} else {Description: $rule.description} end) as $description
    | [$rule.tags[] | select(.[0] | startswith("aws:") | not) | {Key: .[0], Value: .[1]}] as $tags
    | "aws ec2 authorize-security-group-\($rule.direction) --group-id \($rule.group)"
      + ([$traffic + ($rule.peer | permitted_peer($description))] | argument("ip-permissions"))
      + (if $tags == [] then "" else [{ResourceType: "security-group-rule", Tags: $tags}] | argument("tag-specifications") end)
  end
