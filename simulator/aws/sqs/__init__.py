"""SQS: messages, sent and received without moto's counting of the whole queue."""
