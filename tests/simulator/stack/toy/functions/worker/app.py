"""Does what each job says: note, fail, publish, sleep, continue later, exit in a `finally`."""

import json
import os
import time

import toycore


def work(job: dict[str, object]) -> None:
    table = os.environ["TABLE"]
    match job["do"]:
        case "note":
            for step in ("first", "second"):
                item = {"pk": {"S": f"{job['why']}-{step}"}, "count": {"N": str(toycore.count())}}
                toycore.client("dynamodb").put_item(TableName=table, Item=item)
        case "fail":
            raise ValueError(job["why"])
        case "publish":
            toycore.client("sns").publish(TopicArn=os.environ["TOPIC_ARN"], Subject="job", Message=str(job["why"]))
        case "sleep":
            try:
                time.sleep(job["why"])
            finally:
                toycore.client("dynamodb").put_item(TableName=table, Item={"pk": {"S": "too late"}})
        case "later":
            body = json.dumps({"detail": {"do": "note", "why": job["why"]}})
            toycore.client("sqs").send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=body, DelaySeconds=60)
        case "import":
            raise SystemExit(job["why"])


def handler(event: dict[str, list[dict[str, str]]], _context: object) -> dict[str, object]:
    failures = []
    for record in event["Records"]:
        try:
            work(json.loads(record["body"])["detail"])
        except ValueError:
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
