"""SMTP clients for listen.sh: listen.py ADDRESS:PORT WHAT [ARGUMENT...].  Prints what happened."""
import smtplib
import socket
import sys
import threading
import time

host, port = sys.argv[1].rsplit(":", 1)
host, port = host.strip("[]"), int(port)


class Raw:
    """A connection by hand."""

    def __init__(self, greeting=True):
        self.socket = socket.create_connection((host, port), 60)
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply() if greeting else None

    def send(self, text):
        self.socket.sendall(text.encode("latin-1"))

    def reply(self):
        lines = []
        while True:
            line = self.file.readline().decode("latin-1").rstrip("\r\n")
            lines.append(line)
            if line[3:4] != "-":
                return lines[-1]

    def ask(self, text):
        self.send(text + "\r\n")
        return self.reply()


MESSAGE = "From: robot@app.example\r\nSubject: %s\r\n\r\n.dots\r\n..\r\n\r\nlast\r\n"


def one(recipient):
    with smtplib.SMTP(host, port, timeout=60) as client:
        client.sendmail("robot@app.example", [recipient], MESSAGE % "one")
    print("sent")


def pipelined(recipient, count):
    """Several transactions and QUIT in one segment (RFC 2920 but for DATA's reply)."""
    raw = Raw()
    text = "EHLO app.example\r\n"
    for i in range(int(count)):
        text += "MAIL FROM:<robot@app.example>\r\nRCPT TO:<nobody@away.example>\r\n"
        text += "RCPT TO:<%s>\r\nDATA\r\n" % recipient
        text += MESSAGE.replace("\r\n.", "\r\n..") % ("pipelined %d" % i) + ".\r\n"
    raw.send(text + "QUIT\r\n")
    raw.reply()
    for i in range(int(count)):
        print(" ".join(raw.reply()[:3] for _ in range(5)))
    print(raw.reply()[:3], raw.file.read())


def hold(count, greeted):
    """Holds connections open; tells how each is greeted, those behind the first GREETED within a second."""
    held = []
    for i in range(int(count)):
        raw = Raw(False)
        raw.socket.settimeout(60 if i < int(greeted) else 1)
        held.append(raw)
        try:
            print(raw.reply()[:9], flush=True)
        except OSError:
            print("no greeting", flush=True)
            raw.file = raw.socket.makefile("rb")
    raw = held.pop(0)
    raw.send("QUIT\r\n")
    raw.reply()
    raw.socket.close()
    time.sleep(0.3)
    for raw in held:
        raw.socket.settimeout(60)
    try:
        print("the last:", held[-1].file.readline()[:9].decode())
    except OSError as error:
        print("the last:", error)


def wait():
    """In a transaction until standard input has a line; then sends the message."""
    raw = Raw()
    raw.ask("EHLO app.example")
    raw.ask("MAIL FROM:<robot@app.example>")
    print("waits", flush=True)
    sys.stdin.readline()
    try:
        print(raw.ask("RCPT TO:<alice@mail.example>")[:3])
        print(raw.ask("DATA")[:3])
        raw.send(MESSAGE % "waited" + ".\r\n")
        print(raw.reply()[:3])
        print(raw.reply())
    except OSError as error:
        print(type(error).__name__)


def idle():
    """Greeted and then silent, until the server says something."""
    raw = Raw()
    raw.ask("EHLO app.example")
    print("waits", flush=True)
    print(raw.reply())


def many(threads, sessions, recipient):
    """Sessions one after another in several threads, some of them broken off."""
    failed = []

    def run(number):
        for i in range(int(sessions)):
            try:
                kind = (number + i) % 4
                raw = Raw()
                if kind == 0:
                    raw.ask("QUIT")
                elif kind == 1:
                    raw.send("EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<%s>\r\nDATA\r\nhalf" % recipient)
                elif kind == 2 and i % 5 == 0:
                    raw.ask("EHLO x")
                    raw.ask("MAIL FROM:<a@b>")
                    raw.ask("RCPT TO:<%s>" % recipient)
                    raw.ask("DATA")
                    raw.send("\r\nx\r\n.\r\n")
                    if raw.reply()[:3] != "250":
                        failed.append("no 250")
                raw.file.close()
                raw.socket.close()
            except OSError as error:
                failed.append(repr(error))

    runs = [threading.Thread(target=run, args=(n,)) for n in range(int(threads))]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join()
    print("failed:", len(failed), *sorted(set(failed))[:3])


def refused(recipient):
    """What DATA says."""
    raw = Raw()
    raw.ask("EHLO app.example")
    raw.ask("MAIL FROM:<robot@app.example>")
    raw.ask("RCPT TO:<%s>" % recipient)
    raw.ask("DATA")
    raw.send(MESSAGE % "refused" + ".\r\n")
    print(raw.reply())


globals()[sys.argv[2]](*sys.argv[3:])
