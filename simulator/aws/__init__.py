"""What AWS enforces and moto does not: a folder for each service, named as AWS names it, and a module for each subject.

A module keeps what moto does not know in state of its own and has a table of handlers and, where moto's response needs
correction, one of patches (`simulator.account`); `operations` lists them all. Operations in no table are moto's alone.

The first rule of a new service is a new folder: S3's would lie in `s3/`, Parameter Store's in `ssm/`. What moto lacks
of a service that is here already is a module beside the others: VPC flow logs in `ec2/`, what Fargate demands of a task
before it starts in `ecs/`.
"""
