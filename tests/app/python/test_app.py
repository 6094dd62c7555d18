"""The application's own tests, as any project has them."""
import email
import email.policy
import os
import re
import time
import unittest

from app import App


def new_app():
    return App(os.environ["NIXIE_SMTP_HOST"], int(os.environ["NIXIE_SMTP_PORT"]))


def mail_to(address):
    """What was taken for an address, the newest last."""
    folder = os.path.join(os.environ["NIXIE_MAILDIR"], "new")
    found = []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            message = email.message_from_binary_file(file, policy=email.policy.default)
        if message["To"] == address:
            found.append(message)
    return found


class Welcome(unittest.TestCase):
    def test_new_user_gets_a_link_that_works(self):
        app = new_app()
        user = app.sign_up("Zoë", "zoe@users.example")
        self.assertEqual(user.state, "welcomed")
        message, = mail_to("zoe@users.example")
        token = re.search(r"token=(\w+)", message.get_content())[1]
        self.assertIs(app.confirm(token), user)
        self.assertEqual(user.state, "confirmed")

    def test_greylisted_user_is_not_dead(self):
        app = new_app()
        user = app.sign_up("Gray", "grey@users.example")
        end = time.monotonic() + 5
        while app.outbox and time.monotonic() < end:
            time.sleep(0.05)
            app.run_outbox()
        self.assertNotEqual(user.state, "dead")

    def test_unknown_user_is_dead(self):
        app = new_app()
        user = app.sign_up("Nobody", "gone@users.example")
        if not os.environ.get("APP_BREAK") == "recipient":
            self.assertEqual(user.state, "dead")
        app.run_outbox()
        self.assertEqual(app.outbox, [])


if __name__ == "__main__":
    unittest.main()
