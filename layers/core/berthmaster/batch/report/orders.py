"""What becomes of requests about all files of a pipeline."""

from berthmaster.batch.model.orders import Action, Order
from berthmaster.notices import Notice

REQUESTS = {Action.CANCEL: "Cancel Requested", Action.REPLAY: "Replay Requested"}
DONE = {Action.CANCEL: "cancelled", Action.REPLAY: "replayed"}


def request_completed(order: Order) -> Notice:
    """All files that the request concerns were gone through."""
    done = DONE[order.change.action]
    text = f"{order.done:,} files of the pipeline {order.pipeline} were {done}"
    if order.left:
        text += f", {order.left:,} were left as they are"
    if order.failed:
        text += f", and {order.failed:,} could not be {done}: the log has the reasons; send the request again for them"
    if order.done >= order.most:
        text += f". The request was for {order.most:,} files at most: send it again if there are more"
    return Notice(
        "Request Completed",
        {
            "request": REQUESTS[order.change.action],
            "subject": order.pipeline,
            "by": order.change.by,
            "request_id": order.change.id,
            "done": order.done,
            "left": order.left,
            "failed": order.failed,
            "text": text,
        },
        subject=f"{order.done} files of {order.pipeline} {done}",
        text=f"{REQUESTS[order.change.action]}, sent by {order.change.by or 'an operator'}: {text}.",
        is_warning=bool(order.failed),
    )
