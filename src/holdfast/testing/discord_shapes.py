"""What Discord's objects have beside what our server knows of them: libraries look at all of it."""

from __future__ import annotations

from typing import Final

from holdfast.testing.fake_server import Json

USER: Final[Json] = {"username": "", "global_name": None, "discriminator": "0", "avatar": None, "public_flags": 0}
INTERACTION: Final[Json] = {
    "locale": "en-US", "entitlements": [], "app_permissions": "0", "attachment_size_limit": 10_485_760, "context": 0,
    "authorizing_integration_owners": {"0": "0"},
}  # fmt: skip
GUILD: Final[Json] = {
    "owner_id": "7", "region": "", "afk_timeout": 0, "verification_level": 0, "default_message_notifications": 0, "explicit_content_filter": 0,
    "emojis": [], "features": [], "mfa_level": 0, "icon": None, "splash": None, "discovery_splash": None, "afk_channel_id": None,
    "application_id": None, "system_channel_id": None, "system_channel_flags": 0, "rules_channel_id": None, "vanity_url_code": None,
    "description": None, "banner": None, "premium_tier": 0, "preferred_locale": "en-US", "public_updates_channel_id": None, "nsfw_level": 0,
    "stickers": [], "premium_progress_bar_enabled": False, "joined_at": "2024-01-01T00:00:00+00:00", "large": False, "unavailable": False,
    "member_count": 2, "voice_states": [], "presences": [], "stage_instances": [], "guild_scheduled_events": [], "widget_enabled": False,
}  # fmt: skip
ROLE: Final[Json] = {
    "color": 0, "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None}, "hoist": False, "position": 0,
    "permissions": str((1 << 50) - 1), "managed": False, "mentionable": True, "flags": 0, "icon": None, "unicode_emoji": None,
}  # fmt: skip
MESSAGE: Final[Json] = {
    "content": "", "edited_timestamp": None, "tts": False, "mention_everyone": False, "mentions": [], "mention_roles": [], "attachments": [],
    "embeds": [], "pinned": False, "type": 0, "components": [], "flags": 0,
}  # fmt: skip


def member_of(user: Json, nick: str | None) -> Json:
    return {"user": user, "nick": nick, "roles": [], "joined_at": "2024-01-01T00:00:00+00:00", "deaf": False, "mute": False, "flags": 0}
