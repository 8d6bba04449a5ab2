"""What a scene's functions called."""

from collections import Counter

from tests.support.targets.scene import TargetsScene


def registrations(scene: TargetsScene) -> Counter[tuple[str, str]]:
    """How often the registration of each address was called for, by destination."""
    found: Counter[tuple[str, str]] = Counter()
    for call in scene.writes():
        if call.operation == "RegisterTargets":
            found.update((call.params["TargetGroupArn"], one["Id"]) for one in call.params["Targets"])
        elif call.operation == "RegisterInstance":
            found.update([(call.params["ServiceId"], call.params["Attributes"]["AWS_INSTANCE_IPV4"])])
    return found
