"""The manifest that people paste has all that the adapter needs."""

from __future__ import annotations

import json
import re
from pathlib import Path

from holdfast.platforms.slack.account import SCOPES

PAGE = (Path(__file__).parents[3] / "docs/platforms/slack.md").read_text()


def test_the_manifest_of_the_documents_makes_an_app_that_works() -> None:
    found = re.search(r"^ *```json\n(.*?)^ *```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    manifest = json.loads(found[1])
    assert set(manifest["oauth_config"]["scopes"]["bot"]) == SCOPES | {"commands", "reactions:write"}
    heard = set(manifest["settings"]["event_subscriptions"]["bot_events"])
    assert heard == {f"message.{kind}" for kind in ("channels", "groups", "im", "mpim")} | {
        "channel_id_changed",
        "app_uninstalled",
        "tokens_revoked",
    }
    assert manifest["features"]["app_home"] == {
        "home_tab_enabled": False,
        "messages_tab_enabled": True,
        "messages_tab_read_only_enabled": False,
    }
    assert manifest["settings"]["socket_mode_enabled"] is manifest["settings"]["interactivity"]["is_enabled"] is True
    (command,) = manifest["features"]["slash_commands"]
    assert (command["command"], command["should_escape"]) == ("/holdfast", True)
