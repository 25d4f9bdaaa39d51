"""Every channel's limits, and the budgets that stay below them (notify 3)."""

from __future__ import annotations

from typing import Final

# Slack (notify 3.1; docs.slack.dev, Block Kit): the first three are our budgets below Slack's own 50, 3000 and ~13,200
BLOCKS: Final = 45
SECTION: Final = 2900
ALL_BLOCKS: Final = 12_000
FIELDS: Final = 10
FIELD: Final = 2000
HEADER: Final = 150
CONTEXT: Final = 10
ACTIONS: Final = 25
BUTTON: Final = 75
URL: Final = 3000
IDENTIFIER: Final = 255
FALLBACK: Final = 4000

TEAMS: Final = 21_000
"""Bytes of a message: Teams documents about 28 KB and was measured to take 21 (notify 3.2)."""

# Amazon Q Developer documents no limits; these are budgets (notify 3.3)
Q_TITLE: Final = 250
Q_DESCRIPTION: Final = 3000

MAIL: Final = 30_000
"""Bytes of a text: SNS publishes it twice beside another body, 256 KB in all."""
MAIL_SUBJECT: Final = 99
"""SNS Publish: fewer than 100 ASCII characters."""

PAGERDUTY_SUMMARY: Final = 1024
PAGERDUTY_DEDUP: Final = 255
PAGERDUTY: Final = 60_000
"""Bytes of an event: far below the 512 KB that the API takes."""

WEBHOOK: Final = 20_000
"""Bytes of a body (Standard Webhooks, "Payload size")."""
