"""What WeCom and Official Accounts of WeChat have in common; no platform of its own. `calls` opens what they call us with, `reading` says what people did,
`receiving` takes it, `api` speaks to them, `outcomes` says what became of that, and `plain` writes for people who are shown no Markdown."""
