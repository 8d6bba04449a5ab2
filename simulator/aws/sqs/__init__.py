"""SQS: messages of standard queues."""
