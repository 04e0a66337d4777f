"""A retrieval service over HTTP, as a company would run one: a black box that is really remote.

    crossattack serve --target dcmh --reveals codes

A request walks through these files in order: `guard` (may it come in at all, and what is logged of it), `tokens` (who asks),
`reading` (how much is read), `rate` (how fast), `images` (what a file is allowed to be), `service` (the answer) and `accounts`
(counted and kept, once, before the reply leaves). `app` ties them to addresses; docs/service.md has the wire protocol.
"""
