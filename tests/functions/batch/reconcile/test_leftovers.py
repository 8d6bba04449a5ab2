"""What launches have written that is no result is deleted an hour after the last has stopped, and nothing else is."""

from tests.support.batch.reconciling import a_reconciled_scene, fails_at_first


def test_what_a_failed_attempt_has_left_is_deleted_and_the_result_stays() -> None:
    with a_reconciled_scene(program=fails_at_first) as scene:
        scene.put("scans/a.tif", b"text")
        scene.settle()
        (file,) = scene.files()
        attempts = f"ocr/.berthmaster/attempts/{file.id}"
        before = scene.objects()
        assert before[f"{attempts}/1/text.txt"] == before[f"{attempts}/2/text.txt"] == b"TEXT"
        scene.wait(30 * 60)
        assert scene.objects() == before
        scene.wait(60 * 60)
        assert scene.objects() == {key: body for key, body in before.items() if not key.startswith(f"{attempts}/1/")}
        assert scene.files()[0].swept_to == 2
