"""A small application that welcomes its users by mail; tests/e2e/serve.sh tests nixie serve with it.

APP_BREAK=NAME breaks it: `encoding` (the subject is sent as it is), `dots` (lines that begin with a
dot are sent as they are), `retry` (what is deferred is forgotten), `recipient` (mail goes to the
wrong address).
"""
import email.message
import os
import secrets
import smtplib
import time

BREAK = os.environ.get("APP_BREAK", "")
SENDER = "app@app.example"
TEXT = """Hello {name},

please confirm your address:

    https://app.example/confirm?token={token}

and put this into your page:

.badge {{ color: green }}
"""


class Careless(smtplib.SMTP):
    """Forgets what RFC 5321 4.5.2 says about dots."""

    def data(self, msg):
        self.docmd("DATA")
        self.send(msg.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b".\r\n")
        return self.getreply()


class User:
    def __init__(self, name, address):
        self.name = name
        self.address = address
        self.token = secrets.token_hex(8)
        self.state = "new"  # welcomed, confirmed, dead


class App:
    def __init__(self, host, port, retry_after=0.2, tries=5):
        self.host, self.port = host, port
        self.retry_after, self.tries = retry_after, tries
        self.users = {}
        self.outbox = []  # (when, try, user)

    def sign_up(self, name, address):
        user = self.users[address] = User(name, address)
        self.outbox.append((time.monotonic(), 1, user))
        self.run_outbox()
        return user

    def confirm(self, token):
        for user in self.users.values():
            if secrets.compare_digest(user.token, token):
                user.state = "confirmed"
                return user
        return None

    def run_outbox(self):
        """Sends what is due."""
        due = [item for item in self.outbox if item[0] <= time.monotonic()]
        self.outbox = [item for item in self.outbox if item not in due]
        for _, attempt, user in due:
            try:
                self.send_welcome(user)
                user.state = "welcomed"
            except smtplib.SMTPRecipientsRefused as refused:
                code = refused.recipients[max(refused.recipients)][0]
                self.failed(user, attempt, code)
            except smtplib.SMTPResponseException as error:
                self.failed(user, attempt, error.smtp_code)
            except (OSError, smtplib.SMTPServerDisconnected):
                self.failed(user, attempt, 421)

    def failed(self, user, attempt, code):
        if 500 <= code < 600 or attempt == self.tries:
            user.state = "dead"  # no mail any more
        elif BREAK != "retry":
            self.outbox.append((time.monotonic() + self.retry_after, attempt + 1, user))

    def send_welcome(self, user):
        message = email.message.EmailMessage()
        message["From"] = SENDER
        message["To"] = user.address
        message["Message-ID"] = f"<{secrets.token_hex(8)}@app.example>"
        message["Subject"] = f"Welcome, {user.name}!"
        message.set_content(TEXT.format(name=user.name, token=user.token), cte="8bit")
        wire = message.as_bytes(policy=message.policy.clone(linesep="\r\n"))
        if BREAK == "encoding":
            head, body = wire.split(b"\r\n\r\n", 1)
            lines = [line for line in head.split(b"\r\n") if not line.startswith((b"Subject:", b" "))]
            lines.append(f"Subject: Welcome, {user.name}!".encode())
            wire = b"\r\n".join(lines) + b"\r\n\r\n" + body
        to = "support@users.example" if BREAK == "recipient" else user.address
        kind = Careless if BREAK == "dots" else smtplib.SMTP
        with kind(self.host, self.port, local_hostname="app.example", timeout=10) as server:
            server.sendmail(SENDER, [to], wire, mail_options=["BODY=8BITMIME"])
