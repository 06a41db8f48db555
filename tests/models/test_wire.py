from __future__ import annotations

import pytest

from holdfast.models.wire import described, message_of


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"error": {"message": "No such model", "code": 404}}', "No such model"),
        ('{"error": "No such model"}', "No such model"),
        ('{"message": "Cannot POST /v1"}', "Cannot POST /v1"),
        ('{"detail": "Not Found"}', "Not Found"),
        ('{"detail": [{"loc": 1}]}', '{"detail": [{"loc": 1}]}'),
        ('[{"error": {}}]', '[{"error": {}}]'),
        ("<html>\n  <p>502</p>\n</html>", "<html> <p>502</p> </html>"),
        ("", ""),
    ],
)
def test_what_an_error_says_is_found_in_bodies_of_the_usual_shapes(body: str, said: str) -> None:
    assert message_of(body) == said


def test_what_an_error_says_is_kept_short() -> None:
    assert len(message_of("x" * 1000)) == 300


def test_an_error_is_described_by_its_own_name_and_its_first_cause() -> None:
    error = RuntimeError("All connection attempts failed")
    error.__cause__ = OSError(111, "Connection refused")
    assert described(error) == "RuntimeError: [Errno 111] Connection refused"
    assert described(ValueError()) == "ValueError"
