"""AWS on your desk: moto and the rules it lacks, a virtual clock, faults, and the wiring of template.yaml.

>>> from simulator.cloud import Cloud
>>> from simulator.deployment import Deployment
>>> from simulator.network import Network
>>> from simulator.workload import Workload
>>> with Cloud(seed=7) as cloud:
...     berthmaster = Deployment(cloud, parameters={"CapacityMode": "enforce"})
...     network = Network.create(cloud, "10.0.0.0/22", public="10.0.3.0/24")
...     for number, zone in enumerate("abc"):
...         subnet_id = network.subnet(zone, f"10.0.{number}.0/26")
...     workload = Workload(cloud)
...     arn = workload.service("web", network.network_configuration(), lambda minutes: 60 + minutes / 240)
...     berthmaster.run(minutes=60)
...     print(workload.running("web"), len(workload.failed))
60 0

    cloud         the account: state, clients, clock, faults, record of calls
    clock         virtual time and what happens when
    faults        what goes wrong, by seed
    calls         who called what, and how it ended
    interception  between botocore and moto
    aws/          what AWS enforces and moto does not, by subject
    template      template.yaml as CloudFormation sees it; intrinsics, identities and patterns with it
    deployment    the template's resources wired to its functions; stack, polling, asynchronous and runtime with it
    network       VPCs to simulate on
    workload      ECS services that grow, deploy and fail; placement and task_events with it
    fleet         ECS tasks one by one: who holds which address, and when; task, task_life and task_interfaces with it
    server        the same AWS for real processes; endpoint with it
"""
