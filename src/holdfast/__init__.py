"""Holdfast: a self-hosted gateway between chat apps and an AI agent with tools, that never loses a conversation."""
