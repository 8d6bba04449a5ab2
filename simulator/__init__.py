"""AWS in one process: moto and the rules it lacks, a virtual clock, faults, and template.yaml deployed on it.

>>> from simulator.cloud import Cloud
>>> from simulator.stack.deployment import Deployment
>>> from simulator.workload.network import Network
>>> from simulator.workload.services import Workload
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

    cloud         where to begin: an open account, with all services
    account       what a service sees of it: time, faults, handlers, clients, its own state
    clock         virtual time and what happens when
    faults        what goes wrong, by seed
    calls         who called what, and how it ended
    botocore/     between botocore and moto: each call is recorded, hit by a fault, or handled
    aws/          what AWS enforces and moto does not: a folder for each service
    stack/        template.yaml deployed: its resources, and its functions as Lambda runs them
    workload/     VPCs, ECS services that grow, deploy and fail, and ECS tasks one by one
    server/       the same AWS for other processes
    demo/         `make demo`
"""
