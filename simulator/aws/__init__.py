"""What AWS enforces and moto does not: one module per subject, each with a table of the operations it answers.

An answer takes the cloud and the request's parameters and returns what boto3 would return, or raises `AwsError`. A mend
corrects moto's own answer in place. Operations in no table are moto's alone.
"""
