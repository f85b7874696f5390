"""A mail server for tests: aiosmtpd, with STARTTLS or implicit TLS and a login.

Arguments: starttls|implicit|plain, and for the first two certificate and key (PEM). Who sends has to
log in as `locum` with the password `synthetic-mail-password`, but in `plain`. Prints its port on the
first line, then one JSON line a mail, read by Python's own parser.
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

USER, PASSWORD = b"locum", b"synthetic-mail-password"


def tell(value):
    print(json.dumps(value), flush=True)


def authenticate(server, session, envelope, mechanism, data):
    known = getattr(data, "login", None) == USER and getattr(data, "password", None) == PASSWORD
    return AuthResult(success=known, handled=False)


class Mailbox:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        transport = server.transport
        part = lambda kind: mail.get_body((kind,)).get_content().replace("\r\n", "\n")
        tell({
            "sender": envelope.mail_from,
            "recipients": envelope.rcpt_tos,
            "tls": transport.get_extra_info("ssl_object") is not None,
            "authenticated": bool(session.authenticated),
            "headers": {name: str(value) for name, value in mail.items()},
            "defects": [str(defect) for part in mail.walk() for defect in part.defects],
            "text": part("plain"),
            "html": part("html"),
        })
        return "250 kept"


def server(mode, tls):
    closed = mode != "plain"
    return SMTP(
        Mailbox(),
        hostname="localhost",
        require_starttls=mode == "starttls",
        tls_context=tls if mode == "starttls" else None,
        auth_required=closed,
        # With implicit TLS aiosmtpd does not know that it is behind TLS.
        auth_require_tls=mode == "starttls",
        authenticator=authenticate if closed else None,
    )


async def main():
    mode, files = sys.argv[1], sys.argv[2:]
    tls = None
    if files:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(*files)
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(
        lambda: server(mode, tls), "127.0.0.1", 0, ssl=tls if mode == "implicit" else None
    )
    tell(listener.sockets[0].getsockname()[1])
    await listener.serve_forever()


asyncio.run(main())
