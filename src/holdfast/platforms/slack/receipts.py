"""What became of a send, by what Slack said to it; and what an account needs a person for. Pure."""

from __future__ import annotations

from typing import Final

from holdfast.platforms.asking import Failure, unanswered
from holdfast.platforms.slack.api import Refused
from holdfast.ports import Receipt

STOPPED: Final = frozenset(
    {
        "access_denied",
        "account_inactive",
        "app_uninstalled",
        "ekm_access_denied",
        "enterprise_is_restricted",
        "invalid_auth",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "not_authed",
        "org_login_required",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
        "two_factor_setup_required",
    }
)
"""What concerns the whole account, until a person mends it."""
_SHUT: Final = frozenset(
    {
        "cannot_reply_to_message",
        "channel_is_archived",
        "channel_not_found",
        "is_archived",
        "is_inactive",
        "messages_tab_disabled",
        "not_in_channel",
        "restricted_action",
        "restricted_action_non_threadable_channel",
        "restricted_action_read_only_channel",
        "restricted_action_thread_locked",
        "restricted_action_thread_only_channel",
        "user_disabled",
        "user_not_found",
    }
)
"""What concerns no message, but the chat: any would be refused."""
_NOT_THERE: Final = frozenset({"cant_update_message", "edit_window_closed", "message_not_found"})
"""Of a message that was to get another text."""
LIMITED: Final = frozenset({"rate_limited", "ratelimited"})


def receipt(failure: Failure, edit: str = "") -> Receipt:
    """`edit`: the message of ours that was to get another text."""
    why = f"Slack: {failure}"
    if not isinstance(failure, Refused):
        return unanswered("Slack", failure)
    match failure.code:
        case code if code in STOPPED:
            return Receipt("retry", why=why, account="stopped")
        case code if code in LIMITED:
            return Receipt("retry", why=why, retry_after_s=failure.retry_after_s)
        case code if edit and code in _NOT_THERE:
            return Receipt("gone", why=why)
        case code if code in _SHUT:
            return Receipt("blocked", why=why)
        case _:
            return Receipt("refused", why=why)
