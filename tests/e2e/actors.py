"""Tests of smtp-server and smtp-client on real sockets.  Prints TAP."""
import base64
import concurrent.futures
import email
import json
import os
import random
import re
import smtplib
import socket
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
from actors_rig import PATIENCE, Actor, Script, Server, Session, send_by

CLIENT = None
EHLO = b"250-mx.example\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250 AUTH LOGIN PLAIN\r\n"


def eventually(holds):
    """Whether it holds, now or soon: what a program tells of comes beside its replies."""
    until = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def session_of(config, hello="EHLO me.example"):
    server = Server(config)
    return server, server.session(hello=hello)


# --- smtp-server: the normal thing ------------------------------------------------------------

def server_dialogue():
    """server: a dialogue in which all is as usual"""
    with Server() as server:
        s = Session(server.port)
        assert s.expect(220) == ["220 mx.test.example ESMTP"]
        assert s.say("EHLO me.example", 250) == [
            "250-mx.test.example", "250-PIPELINING", f"250-SIZE {32 << 20}", "250-8BITMIME",
            "250 ENHANCEDSTATUSCODES"]
        assert s.say("noop anything", 250) == ["250 2.0.0 ok"]
        s.say("VRFY bob", 252)
        s.say("HELP", 214)
        s.say("EXPN list", 502)
        s.say("WHAT is this", 500)
        s.say("", 500)
        s.say("MAIL FROM:<a@b.example> SIZE=10 BODY=8BITMIME", 250)
        s.say("RSET", 250)
        s.say("MAIL FROM:<>", 250)
        s.say("rcpt to:<@x.example,@[192.0.2.1]:bob@c.example>", 250)
        s.say("RCPT TO:<Postmaster>", 250)
        s.say('RCPT TO:<"john \\" doe"@[IPv6:2001:db8::1]>', 250)
        s.data()
        assert s.say("QUIT", 221) == ["221 2.0.0 mx.test.example"]
        assert s.all() == b""
        took = server.took()
        assert took["words"][1:] == ["1", "1", "", "17", "bob@c.example", "Postmaster",
                                     '"john \\" doe"@[IPv6:2001:db8::1]'], took
        assert took["bytes"] == b"Subject: x\n\nbody\n"
        server.wait("end", 1, "server")
        assert server.of("in", 1)[0]["words"] == ["in", "1", "EHLO me.example"]
        assert server.of("out", 1)[1]["words"][2].startswith("250-mx.test.example\n250-PIPE")
        assert not server.of("bad") and not server.of("lost")
        # took is told before the reply
        kinds = [r["words"][0] for r in server.records]
        assert kinds[kinds.index("took") + 1] == "out"


def server_order():
    """server: commands out of order"""
    for before, line, code in [
            ([], "MAIL FROM:<a@b.example>", 503), ([], "RCPT TO:<a@b.example>", 503),
            ([], "DATA", 503), ([], "AUTH PLAIN", 502), ([], "RSET", 250), ([], "NOOP", 250),
            (["HELO x"], "RCPT TO:<a@b.example>", 503), (["HELO x"], "DATA", 503),
            (["HELO x", "MAIL FROM:<a@b.example>"], "MAIL FROM:<a@b.example>", 503),
            (["HELO x", "MAIL FROM:<a@b.example>"], "DATA", 503),
            (["HELO x", "MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>", "RSET"], "DATA", 503),
            (["HELO x", "MAIL FROM:<a@b.example>", "EHLO y"], "RCPT TO:<c@d.example>", 503),
            (["HELO x"], "MAIL FROM:<a@b.example> SIZE=1", 555)]:
        with Server() as server:
            s = server.session(hello=None)
            for command in before:
                s.say(command, 250)
            s.say(line, code)


def server_syntax():
    """server: wrong syntax"""
    with Server("auth any\n") as server:
        for line in ["EHLO", "EHLO a b", "EHLO -x", "EHLO [1.2.3]", "HELO", "EHLO a..b", "EHLO a."]:
            server.session(hello=None).say(line, 501)
        s = server.session()
        for line, code in [
                ("MAIL", 501), ("MAIL FROM", 501), ("MAIL FROM:", 501), ("MAIL FROM:a@b.example", 501),
                ("MAIL FROM: <a@b.example>", 501), ("MAIL FROM:<a@b.example", 501),
                ("MAIL FROM:<a>", 501), ("MAIL FROM:<a@b@c>", 501), ("MAIL FROM:<a..b@c>", 501),
                ("MAIL FROM:<.a@c>", 501), ("MAIL FROM:<a b@c>", 501), ("MAIL FROM:<a@b.example>x", 501),
                ("MAIL FROM:<@x:a@b.example", 501), ('MAIL FROM:<"a@b.example>', 501),
                ("MAIL FROM:<a@[300.1.1.1]>", 501), ("MAIL FROM:<a@b_-.example>", 501),
                ("MAIL FROM:<a@b.example>  SIZE=1", 501), ("MAIL FROM:<a@b.example> SIZE=x", 501),
                ("MAIL FROM:<a@b.example> WHAT=1", 555), ("MAIL FROM:<a@b.example> SMTPUTF8", 555),
                ("MAIL FROM:<a@b.example> BODY=BINARYMIME", 555), ("MAIL FROM:<a@b.example> RET=HDRS", 555),
                (f"MAIL FROM:<{'a' * 600}@b.example>", 501), ("MAIL FROM:<a@b.example> SIZE=99999999", 552),
                ("VRFY", 501), ("RSET now", 501), ("QUIT now", 501), ("AUTH", 504), ("AUTH X y", 504)]:
            s.say(line, code)
        s.say("MAIL FROM:<a@b.example>", 250)
        for line, code in [("RCPT", 501), ("RCPT TO:<>", 501), ("RCPT TO:<a>", 501),
                           ("RCPT TO:<a@b.example> NOTIFY=NEVER", 555), ("RCPT FROM:<a@b.example>", 501),
                           ("DATA now", 501)]:
            s.say(line, code)
        s.say("RCPT TO:<b@c.example>", 250)
        s.data()


def server_extensions():
    """server: extensions as configured, none, and no EHLO"""
    with Server('extensions PIPELINING "SIZE 100" SMTPUTF8 DSN "X-THING a b"\n') as server:
        s = server.session(hello=None)
        assert s.say("EHLO x", 250) == ["250-mx.test.example", "250-PIPELINING", "250-SIZE 100",
                                        "250-SMTPUTF8", "250-DSN", "250 X-THING a b"]
        assert s.say("RSET", 250) == ["250 ok"]
        s.say("MAIL FROM:<a@b.example> SIZE=101", 552)
        s.say("MAIL FROM:<a@b.example> SIZE=100 SMTPUTF8 RET=HDRS ENVID=x", 250)
        s.say("RCPT TO:<b@c.example> NOTIFY=NEVER ORCPT=rfc822;x", 250)
        s.data(b"x" * 98 + b"\r\n.\r\n", 250)
        s.mail()
        s.data(b"x" * 100 + b"\r\n.\r\n", 552)
        s.mail()
        s.data()
    with Server("extensions none\n") as server:
        s = server.session(hello=None)
        assert s.say("EHLO x", 250) == ["250 mx.test.example"]
        s.say("MAIL FROM:<a@b.example> SIZE=1", 555)
    with Server("no-ehlo\n") as server:
        s = server.session(hello=None)
        s.say("EHLO x", 502)
        assert s.say("HELO x", 250) == ["250 mx.test.example"]
        s.mail()
        s.data()


def server_bytes():
    """server: messages byte for byte"""
    messages = [b"", b"\n", b".\n", b"..\n.\n...x\n", b"a" * 100000 + b"\n", bytes(range(128, 256)) + b"\n",
                b"a\0b\0\n\0\n", b"\n\n\n", b". \n.\t\n", b"x\n" * 50000,
                b"\xff\xfe.\n.\xff\n", b"a.\nb\n.c.\n"]
    with Server() as server:
        s = server.session()
        for number, message in enumerate(messages):
            lines = message.split(b"\n")[:-1]
            wire = b"".join((b"." if line[:1] == b"." else b"") + line + b"\r\n" for line in lines) + b".\r\n"
            s.mail()
            s.say("DATA", 354)
            for at in range(0, len(wire), 7 if number % 2 else len(wire)):
                s.send(wire[at:at + (7 if number % 2 else len(wire))])
                if len(wire) > 10000 and at > 1000:
                    s.send(wire[at + 7:])
                    break
            s.expect(250)
            took = server.wait("took", count=number + 1)
            assert took["bytes"] == message, (number, took["bytes"][:100])
        assert not server.of("bad")


def server_line_ends():
    """server: bare LF and CR are told of, and end neither line nor message"""
    with Server() as server:
        for number, (wire, message, bad) in enumerate([
                (b"a\nb\r\n.\r\n", b"a\nb\n", ["bare LF"]),
                (b"a\rb\r\n.\r\n", b"a\rb\n", ["bare CR"]),
                (b"a\r\r\n.\r\n", b"a\r\n", ["bare CR"]),
                (b"a\n.\r\nb\r\n.\r\n", b"a\n.\nb\n", ["bare LF"]),
                (b"a\r\n.\nb\r\n.\r\n", b"a\n\nb\n", ["bare LF"]),
                (b"a\n.\nb\r\n.\r\n", b"a\n.\nb\n", ["bare LF"]),
                (b"a\r\n.\rb\r\n.\r\n", b"a\n\rb\n", ["bare CR"]),
                (b"a\r.\rb\r\n.\r\n", b"a\r.\rb\n", ["bare CR"]),
                (b"a\n\n.\r\n\r\n.\r\n", b"a\n\n.\n\n", ["bare LF"]),
                (b"a\r\n..\n\r\n.\r\n", b"a\n.\n\n", ["bare LF"])]):
            s = server.session()
            s.mail()
            s.data(wire)
            took = server.wait("took", count=number + 1)
            assert took["bytes"] == message, (wire, took)
            assert eventually(lambda: [r["words"][2] for r in server.of("bad", number + 1)] == bad), (wire, server.of("bad"))
            s.close()
        s = server.session()
        s.send("NOOP\n")
        s.expect(500)
        s.send("NO\rOP\r\n")
        s.expect(500)
        s.send("NO\0OP\r\n")
        s.expect(500)
        s.send("x" * 100000 + "\r\n")
        s.expect(500)
        s.say("NOOP " + "x" * 2500, 500)
        s.say("NOOP", 250)
        assert eventually(lambda: [r["words"][2] for r in server.of("bad")[-4:]] == [
            "bare LF", "bare CR", "NUL in a command", "line too long"]), server.of("bad")


def server_pipelining():
    """server: pipelined commands, and those that must not be"""
    group = "MAIL FROM:<a@b.example>\r\nRCPT TO:<no@d.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"
    with Server('on RCPT "no@*" reply 550 "5.1.1 no"\n') as server:
        s = server.session()
        s.send(group)
        assert [s.reply()[0] for _ in range(4)] == [250, 550, 250, 354]
        s.send("x\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<no@d.example>\r\nDATA\r\n")
        assert [s.reply()[0] for _ in range(4)] == [250, 250, 550, 554]
        s.send("RSET\r\nNOOP\r\n")
        s.expect(250)
        s.expect(250)
        assert not server.of("bad")
        s.send("NOOP\r\nNOOP\r\n")
        s.expect(250)
        s.expect(250)
        assert server.wait("bad")["words"][2].startswith("more behind")
        s = server.session(hello="HELO x")
        s.send(group)
        assert [s.reply()[0] for _ in range(4)] == [250, 550, 250, 354]
        assert server.wait("bad", 2)["words"][2].startswith("pipelining")
        s = server.session(hello="HELO x")
        s.mail()
        s.data(b"x\r\n.\r\nNOOP\r\n")
        s.expect(250)
        assert server.wait("bad", 3)["words"][2].startswith("pipelining")
    with Server('on connect delay 1s ok\n') as server:
        s = Session(server.port)
        s.send("EHLO x\r\n")
        s.expect(220)
        s.expect(250)
        assert server.wait("bad", 1)["words"][2].startswith("speaks before")


def server_limits():
    """server: limits on size and recipients"""
    with Server("size 1000\nrecipients 3\n") as server:
        s = server.session()
        s.mail(recipients=("a@b.example", "b@b.example", "c@b.example"))
        s.say("RCPT TO:<d@b.example>", 452)
        s.data(b"x" * 100000 + b"\r\n.\r\n", 552)
        s.mail()
        s.data()
        server.took()
        assert len(server.of("took")) == 1


def server_auth():
    """server: AUTH takes anybody, but whom a rule refuses"""
    def b64(data):
        return base64.b64encode(data).decode()
    with Server('auth any\non AUTH mallory reply 535 "5.7.8 no"\n') as server:
        assert "250 AUTH PLAIN LOGIN CRAM-MD5" in server.session(hello=None).say("EHLO x", 250)
        plain = b64(b"\0bob\0secret")
        server.session().say("AUTH PLAIN " + plain, 235)
        server.session().say("AUTH PLAIN " + b64(b"\0mallory\0x"), 535)
        for first, rest in [("AUTH PLAIN", [plain]), ("AUTH LOGIN", [b64(b"bob"), b64(b"pw")]),
                            ("AUTH LOGIN " + b64(b"bob"), [b64(b"pw")]),
                            ("auth cram-md5", [b64(b"bob " + b"0" * 32)])]:
            s = server.session()
            s.say(first, 334)
            for line in rest[:-1]:
                s.say(line, 334)
            s.say(rest[-1], 235)
            s.say("AUTH PLAIN " + plain, 503)
            s.say("MAIL FROM:<a@b.example> AUTH=<>", 250)
        s = server.session()
        for first, line in [("AUTH PLAIN", "*"), ("AUTH PLAIN", "x"), ("AUTH PLAIN", b64(b"bob")),
                            ("AUTH PLAIN", "="), ("AUTH CRAM-MD5", b64(b"bob x"))]:
            s.say(first, 334)
            s.say(line, 501)
        s.say("AUTH PLAIN " + b64(b"\0bob\0" + b"x" * 5000), 235)
        for name, password in (("bob", "x"), ("alice", "y")):
            client = smtplib.SMTP("127.0.0.1", server.port)
            client.login(name, password)
            client.sendmail("a@b.example", ["c@d.example"], "Subject: y\n\n.\n..\n")
            client.quit()
        assert server.wait("took", count=2)["bytes"] == b"Subject: y\n\n.\n..\n"


# --- smtp-server: what rules do ---------------------------------------------------------------

def walk(s, upto):
    """Goes on until the event of `upto` is due, whose bytes are returned."""
    commands = [("EHLO", "EHLO me.example", 250), ("MAIL", "MAIL FROM:<a@b.example>", 250),
                ("RCPT", "RCPT TO:<c@d.example>", 250), ("DATA", "DATA", 354)]
    alone = {"HELO": "HELO me.example", "RSET": "RSET", "NOOP": "NOOP", "VRFY": "VRFY bob",
             "QUIT": "QUIT", "AUTH": "AUTH PLAIN AGJvYgB4"}
    s.expect(220)
    if upto in alone:
        if upto != "HELO":
            s.say("EHLO me.example", 250)
        return alone[upto] + "\r\n"
    for verb, line, code in commands:
        if verb == upto:
            return line + "\r\n"
        s.say(line, code)
    return "x\r\n.\r\n"


VERBS = {"connect": 220, "EHLO": 250, "HELO": 250, "MAIL": 250, "RCPT": 250, "DATA": 354, "EOD": 250,
         "RSET": 250, "NOOP": 250, "VRFY": 252, "QUIT": 221, "AUTH": 235}


def at_verb(verb, deed, spell=None):
    """Server and session at which the event of the verb has just happened, not before its `asked`."""
    server = Server(f"auth any\non {spell or verb} {deed}\n")
    asked = time.monotonic()
    s = connect_again_if_reset(server) if verb == "connect" else Session(server.port)
    if verb != "connect":
        line = walk(s, verb)
        asked = time.monotonic()
        s.send(line)
    s.asked = asked
    return server, s


def connect_again_if_reset(server):
    """A reset at once may come before connect() has told of the connection; then there is nothing to look at."""
    for _ in range(50):
        try:
            return Session(server.port)
        except ConnectionResetError:
            pass
    raise AssertionError("each connection is reset within connect()")


def rules_at_every_verb():
    """server: every deed at every verb"""
    for verb, normal in VERBS.items():
        server, s = at_verb(verb, 'reply 451 "4.0.0 a\\nb"')
        with server:
            assert s.expect(451) == ["451-4.0.0 a", "451 b"], verb
            if verb == "RCPT":
                s.say("DATA", 554)
            elif verb == "connect":
                s.say("EHLO x", 503)
                s.say("QUIT", 221)
            elif verb == "QUIT":
                s.say("NOOP", 250)
            elif verb == "EOD":
                s.say("DATA", 503)
                server.wait("in", 1, "DATA", count=2)
                assert not server.of("took")
            elif verb != "NOOP":
                s.say("NOOP", 250)
        server, s = at_verb(verb, 'reply 421 "4.3.2 bye"')
        with server:
            s.expect(421)
            assert s.all() == b"", verb
            server.wait("end", 1, "server")
        server, s = at_verb(verb, 'raw "junk\\r\\n\\x00"')
        with server:
            assert s.socket.recv(100) == b"junk\r\n\0", verb
            assert server.wait("out", 1, "junk\r\n\0")
        server, s = at_verb(verb, "close")
        with server:
            assert s.all() == b"", verb
            server.wait("end", 1, "server")
        server, s = at_verb(verb, "reset")
        with server:
            assert s.all() == b"reset", verb
            server.wait("end", 1, "server")
        server, s = at_verb(verb, "silence")
        with server:
            assert s.is_silent(0.05), verb
            s.send("NOOP\r\nQUIT\r\n")
            assert s.is_silent(0.05), verb
            s.close()
            server.wait("end", 1, "client")
        server, s = at_verb(verb, f'reply {normal} "x y" cut 5 bytes')
        with server:
            assert s.all() == f"{normal} x".encode(), verb
            server.wait("end", 1, "server")
        server, s = at_verb(verb, "ok")
        with server:
            s.expect(normal)
        server, s = at_verb(verb, f'delay 60ms reply {normal} "slow but sure" split')
        with server:
            assert s.expect(normal) == [f"{normal} slow but sure"]
            assert time.monotonic() - s.asked > 0.05, verb


def rules_any():
    """server: `any` is every verb, and what is no command"""
    with Server('on any reply 455 "4.5.5 no"\n') as server:
        Session(server.port).expect(455)
    with Server('on connect ok\non any reply 455 "4.5.5 no"\n') as server:
        s = server.session(hello=None)
        for line in ("EHLO x", "HELO x", "RSET", "NOOP", "VRFY x", "HELP", "EXPN x", "junk", "QUIT"):
            s.say(line, 455)
    with Server('on EHLO ok\non connect ok\non any "*@x.example" reply 455 "4.5.5 no"\n') as server:
        s = server.session()
        s.say("MAIL FROM:<a@x.example>", 455)
        s.mail(recipients=("b@y.example",))
        s.say("RCPT TO:<a@x.example>", 455)
        s.data()
        s.say("DATA", 503)
    with Server('on any "*nonsense*" reply 502 "5.5.1 hm"\n') as server:
        s = server.session()
        s.say("talk nonsense", 502)
        s.say("talk", 500)
        s.say("EXPN nonsense", 502)
        s.say("HELP nonsense", 502)


def rules_take():
    """server: the message is taken, and the reply does not come"""
    server, s = at_verb("EOD", "take close")
    with server:
        assert s.all() == b""
        server.took()
        assert not server.of("lost")
    server, s = at_verb("EOD", "take reset")
    with server:
        assert s.all() == b"reset"
        server.took()
    server, s = at_verb("EOD", "delay 50ms take silence")
    with server:
        assert s.is_silent(0.2)
        server.took()
    for deed in ("close", "reset", "silence"):
        server, s = at_verb("EOD", deed)
        with server:
            server.wait("lost", 1)
            assert not server.of("took")
    server, s = at_verb("EOD", 'reply 250 "2.0.0 queued" cut 3 bytes')
    with server:
        assert s.all() == b"250"
        server.took()
    server, s = at_verb("EOD", "delay 150ms ok")
    with server:
        s.socket.shutdown(socket.SHUT_WR)
        s.expect(250)
        server.took()
        server.wait("end", 1, "client")


def rules_after_bytes():
    """server: ends after so many bytes, of all or of the message"""
    hello, mail = "EHLO x\r\n", "MAIL FROM:<a@b.example>\r\n"
    for deed, end in (("close", b""), ("reset", b"reset")):
        with Server(f"on connect {deed} after {len(hello + mail)} bytes\n") as server:
            s = server.session(hello="EHLO x")
            s.send(mail)
            assert s.all() == end
            server.wait("end", 1, "server")
            assert not server.of("in", 1, mail.strip())
        with Server(f"on MESSAGE {deed} after 1000 bytes\n") as server:
            s = server.session()
            s.mail()
            s.say("DATA", 354)
            s.send(b"x" * 999)
            assert s.is_silent(0.05)
            s.send(b"x")
            assert s.all() == end
            assert server.wait("lost", 1)
        with Server(f"on MESSAGE {deed}\n") as server:
            s = server.session()
            s.mail()
            s.say("DATA", 354)
            assert s.all() == end
            server.wait("lost", 1)
    with Server(f"on connect silence after {len(hello)} bytes\n") as server:
        s = Session(server.port)
        s.expect(220)
        s.send(hello)
        assert s.is_silent(0.1)
        s.send("QUIT\r\n")
        assert s.is_silent(0.05)
        s.close()
        server.wait("end", 1, "client")
    with Server("on MESSAGE silence after 3 bytes\n") as server:
        s = server.session()
        s.mail()
        s.say("DATA", 354)
        s.send("x\r\n.\r\n")
        assert s.is_silent(0.1)
        server.wait("lost", 1, "silence")
    with Server("on MESSAGE close after 100 bytes\n") as server:
        s = server.session()
        s.mail()
        s.data()


def rules_slow():
    """server: reads a message slowly; delays"""
    with Server("on MESSAGE slow 1000 bytes per 50ms\n") as server:
        s = server.session()
        s.mail()
        begin = time.monotonic()
        s.data(b"x" * 5000 + b"\r\n.\r\n")
        assert 0.25 <= time.monotonic() - begin < PATIENCE
        assert server.took()["bytes"] == b"x" * 5000 + b"\n"
        s.say("NOOP", 250)
    with Server('on RCPT "slow@*" delay 200ms ok\n') as server:
        s = server.session()
        begin = time.monotonic()
        s.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<slow@x.example>\r\nRCPT TO:<fast@x.example>\r\n")
        s.expect(250)
        s.expect(250)
        assert time.monotonic() - begin >= 0.2
        s.expect(250)


def rules_patterns():
    """server: patterns, and the first rule that fits"""
    with Server('on RCPT "*@OK.example" ok\non RCPT "bob@?.example" reply 551 "5.1.6 bob"\n'
                'on RCPT reply 550 "5.1.1 no"\non MAIL bad@b.example reply 553 "5.1.8 no"\n'
                'on EHLO evil* reply 550 "5.7.1 evil"\non EOD c@ok.example reply 554 "5.6.0 c"\n'
                'on connect 127.0.0.1 ok\non connect 127.* reply 554 "5.7.1 never"\n') as server:
        s = server.session()
        s.say("EHLO evil.example", 550)
        s.say("MAIL FROM:<BAD@B.example>", 553)
        s.say("MAIL FROM:<good@b.example>", 250)
        s.say("RCPT TO:<bob@ok.EXAMPLE>", 250)
        s.say("RCPT TO:<bob@x.example>", 551)
        s.say("RCPT TO:<bob@xx.example>", 550)
        s.data()
        s.mail(recipients=("bob@ok.example", "c@ok.example"))
        s.data(code=554)


def rules_counters():
    """server: counters and what they are counted by"""
    with Server('on RCPT first 2 reply 451 "4.0.0 f"\non RCPT after 4 reply 550 "5.0.0 a"\n') as server:
        s = server.session()
        s.say("MAIL FROM:<a@b.example>", 250)
        got = [s.say("RCPT TO:<c@d.example>")[0] for _ in range(7)]
        assert got == [451, 451, 250, 250, 550, 550, 550], got
    with Server('on MAIL first 1 by connection reply 451 "4.0.0 c"\n') as server:
        for _ in range(2):
            s = server.session()
            assert [s.say("MAIL FROM:<a@b.example>")[0] for _ in range(2)] == [451, 250]
    with Server('on connect after 2 by client reply 421 "4.7.0 too many"\n') as server:
        assert [Session(server.port).reply()[0] for _ in range(4)] == [220, 220, 421, 421]
    with Server('on MAIL first 1 by sender reply 451 "4.0.0 s"\n') as server:
        s = server.session()
        got = [s.say(f"MAIL FROM:<{x}@b.example>")[0] for x in "aAbcb"]
        assert got == [451, 250, 503, 503, 503], got
        s.say("RSET", 250)
        assert [s.say(f"MAIL FROM:<{x}@b.example>")[0] for x in "bb"] == [451, 250]
    with Server('on RCPT first 1 by recipient reply 451 "4.0.0 r"\n') as server:
        s = server.session()
        s.say("MAIL FROM:<a@b.example>", 250)
        got = [s.say(f"RCPT TO:<{x}@b.example>")[0] for x in "ababcC"]
        assert got == [451, 451, 250, 250, 451, 250], got


def rules_greylisting():
    """server: greylisting by client, sender and recipient"""
    with Server('on RCPT first 1 by triple reply 451 "4.7.1 greylisted"\n') as server:
        got = []
        for sender, recipient in [("a", "x"), ("a", "x"), ("a", "y"), ("b", "x"), ("", "x"), ("b", "x"),
                                  ("a", "y"), ("", "x"), ("a", "x")]:
            s = server.session()
            s.say(f"MAIL FROM:<{sender + '@s.example' if sender else ''}>", 250)
            got.append(s.say(f"RCPT TO:<{recipient}@r.example>")[0])
        assert got == [451, 250, 451, 451, 451, 250, 250, 250, 250], got


def rules_rate():
    """server: a rate over time"""
    with Server('on MAIL over 2 per 600ms reply 451 "4.7.0 slow down"\n') as server:
        def mail():
            s = server.session()
            return s.say("MAIL FROM:<a@b.example>")[0]
        begin = time.monotonic()
        got = [mail() for _ in range(4)]
        if time.monotonic() - begin < 0.5:
            assert got == [250, 250, 451, 451], got
        time.sleep(0.7)
        assert mail() == 250


def rules_chance():
    """server: a chance"""
    with Server('on NOOP chance 40% reply 450 "4.0.0 unlucky"\n') as server:
        s = server.session()
        got = [s.say("NOOP")[0] for _ in range(500)]
        assert 120 < got.count(450) < 280 and set(got) == {250, 450}, got.count(450)


def rules_times():
    """server: from and until; refused connections"""
    with Server('on NOOP from 300ms until 600ms reply 450 "4.0.0 now"\n') as server:
        s = server.session()
        seen, asked, pause, end = [], time.monotonic(), 0, time.monotonic() + 0.8
        while asked < end:
            code = s.say("NOOP")[0]
            if seen[-1:] != [code]:
                seen.append(code)
            time.sleep(0.01)
            pause, asked = max(pause, time.monotonic() - asked), time.monotonic()
        assert pause > 0.25 or seen in ([250, 450, 250], [450, 250]), (pause, seen)
    with Server('age 1h\non NOOP until 1h reply 450 "4.0.0 early"\non NOOP from 2h reply 450 "4.0.0 late"\n') as server:
        server.session().say("NOOP", 250)
    with Server("on connect from 200ms until 1500ms refuse\n") as server:
        started = server.of("listening")[0]["time"]
        time.sleep(max(0, started + 0.4 - time.monotonic()))
        try:
            Session(server.port)
            assert time.monotonic() - started > 1.4
        except ConnectionRefusedError:
            pass
        time.sleep(max(0, started + 1.7 - time.monotonic()))
        server.session().say("NOOP", 250)
    with Server("on connect after 2 refuse\n") as server:
        server.session()
        server.session().say("NOOP", 250)
        try:
            Session(server.port)
            raise AssertionError("not refused")
        except ConnectionRefusedError:
            pass
    with Server("on connect first 1 refuse\n") as server:
        try:
            assert Session(server.port).all() == b"reset"
        except ConnectionResetError:
            pass
        server.session().say("NOOP", 250)


def server_address_rules():
    """server: failures that addresses ask for"""
    with Server("address-rules on\n") as server:
        s = server.session()
        s.say("MAIL FROM:<a@b.example>", 250)
        assert s.say("RCPT TO:<bounce@x.example>", 550) == ["550 5.1.1 no such user"]
        assert s.say("RCPT TO:<Bounce+552+5.2.2+mailbox+full@x.example>", 552) == ["552 5.2.2 mailbox full"]
        assert s.say("RCPT TO:<bounce+551@x.example>", 551) == ["551 5.1.1 no such user"]
        assert s.say("RCPT TO:<defer@x.example>", 451) == ["451 4.3.0 try later"]
        assert s.say("RCPT TO:<defer+450+4.2.1@x.example>", 450) == ["450 4.2.1 try later"]
        assert s.say("RCPT TO:<greylist+2@x.example>", 451) == ["451 4.7.1 greylisted, try again later"]
        s.say("RCPT TO:<greylist@x.example>", 451)
        s.say("RCPT TO:<greylist+2@x.example>", 451)
        s.say("RCPT TO:<greylist+2@x.example>", 250)
        s.say("RCPT TO:<greylist@x.example>", 250)
        begin = time.monotonic()
        s.say("RCPT TO:<slow+150ms@x.example>", 250)
        assert time.monotonic() - begin >= 0.15
        s.say("RCPT TO:<bouncer@x.example>", 250)
        s.data()
        s.say("MAIL FROM:<a@b.example>", 250)
        s.send("RCPT TO:<drop@x.example>\r\n")
        assert s.all() == b""
        s = server.session()
        s.mail(recipients=("bob@x.example", "drop+data@x.example"))
        s.say("DATA", 354)
        s.send("x")
        assert s.all() == b""
        server.wait("lost", 2)
        s = server.session()
        s.mail(recipients=("drop+eod@x.example",))
        s.say("DATA", 354)
        s.send("x\r\n.\r\n")
        assert s.all() == b""
        server.wait("took", count=2)
    with Server() as server:
        server.session().mail(recipients=("bounce@x.example", "drop@x.example"))


def server_bounce():
    """server: a bounce of its own, well-formed"""
    with Server() as home:
        with Server(f'bounces to 127.0.0.1 {home.port}\n'
                    'on EOD dead@* take bounce after 150ms status 5.1.1 "550 5.1.1 no such user here"\n') as away:
            s = away.session()
            s.mail("me@home.example", ("dead@away.example", "other@away.example"))
            s.data(b"Subject: =_bounce_1_\r\n folded\r\nX-Dot: .\r\n\r\nbody\r\n.\r\n")
            begin = away.took()["time"]
            told = away.wait("bounced")
            assert told["words"] == ["bounced", "1", "accepted", "250 2.0.0 ok, taken", "5.1.1",
                                     "550 5.1.1 no such user here"], told
            assert told["time"] - begin >= 0.05
            kinds = [r["words"][0] for r in away.records]
            assert kinds[kinds.index("took") + 1] == "owes" and away.of("owes")[0]["words"] == ["owes", "1"]
            took = home.took()
            assert took["words"][3] == "" and took["words"][5:] == ["me@home.example"], took
            report = email.message_from_bytes(took["bytes"])
            assert report.get_content_type() == "multipart/report"
            assert report.get_param("report-type") == "delivery-status"
            assert report["To"] == "<me@home.example>" and report["Message-ID"] and report["Date"]
            text, status, header = report.get_payload()
            assert "550 5.1.1 no such user here" in text.get_payload()
            assert status.get_content_type() == "message/delivery-status"
            whole, one, two = status.get_payload()
            assert whole["Reporting-MTA"] == "dns; mx.test.example"
            assert one["Final-Recipient"] == "rfc822; dead@away.example" and one["Action"] == "failed"
            assert one["Status"] == "5.1.1" and one["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user here"
            assert two["Final-Recipient"] == "rfc822; other@away.example"
            assert header.get_content_type() == "text/rfc822-headers"
            assert header.get_payload().startswith("Subject: =_bounce_1_\n folded\nX-Dot: .\n")
            assert "body" not in header.get_payload()
            s.mail("", ("dead@away.example",))
            s.data()
            assert away.wait("bounced", 2)["words"][2:] == ["refused", "the sender is null"]
    with Server('on RCPT reply 550 "5.1.1 no"\n') as home:
        with Server(f'bounces to 127.0.0.1 {home.port}\non EOD take bounce after 0s status 5.0.0 x\n') as away:
            s = away.session()
            s.mail()
            s.data()
            assert away.wait("bounced")["words"] == ["bounced", "1", "refused", "550 5.1.1 no", "5.0.0", "x"]


def server_keeps():
    """server: a Maildir of what it takes, with envelopes; a message that cannot be kept is refused"""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("tmp", "new", "cur", "envelopes"):
            os.mkdir(f"{folder}/{name}")
        with Server(f'auth any\nmaildir "{folder}"\n') as server:
            s = server.session(hello="EHLO app.example")
            s.say("AUTH PLAIN " + base64.b64encode(b"\0me\0secret").decode(), 235)
            s.mail("robot@app.example", ('"q\\"uote"@x.example', "b@x.example"))
            s.data(b"Subject: x\r\n\r\n..dot\r\nbare\rcr \xff\0\r\n.\r\n")
            name = server.wait("kept")["words"][2]
            server.wait("took")
            kinds = [r["words"][0] for r in server.records]
            assert kinds.index("kept") < kinds.index("took") < len(kinds) - 1
            assert os.listdir(f"{folder}/new") == [name] and not os.listdir(f"{folder}/tmp")
            with open(f"{folder}/new/{name}", "rb") as file:
                assert file.read() == b"Subject: x\n\n.dot\nbare\rcr \xff\0\n"
            with open(f"{folder}/envelopes/{name}.json", encoding="utf-8") as file:
                envelope = json.load(file)
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", envelope.pop("time"))
            assert envelope == {"message": name, "server": "mx.test.example", "from": "robot@app.example",
                                "to": ['"q\\"uote"@x.example', "b@x.example"], "client": "127.0.0.1",
                                "helo": "app.example", "auth": "me"}, envelope
            s.mail("", ("c@x.example",))
            s.data()
            last = server.wait("kept", count=2)["words"][2]
            with open(f"{folder}/envelopes/{last}.json", encoding="utf-8") as file:
                assert json.load(file)["from"] == ""
            os.rename(f"{folder}/envelopes", f"{folder}/away")
            s.mail()
            s.data(code=452)
            server.wait("unkept")
            os.rename(f"{folder}/away", f"{folder}/envelopes")
            os.rename(f"{folder}/new", f"{folder}/away")
            s.mail()
            s.data(code=452)
            assert len(os.listdir(f"{folder}/envelopes")) == 2 and not os.listdir(f"{folder}/tmp")
            assert len(server.of("took")) == 2


def server_domains():
    """server: rules for recipients in some domains"""
    with Server('domains One.example two.example\non RCPT bad@* reply 550 "one"\non EOD reply 452 "full"\n'
                'domains three.example\non RCPT reply 551 "three"\ndomains\non RCPT last@* reply 553 "all"\n') as server:
        s = server.session()
        s.say("MAIL FROM:<a@b.example>", 250)
        for address, code in (("bad@ONE.example", 550), ("bad@two.example", 550), ("bad@xtwo.example", 250),
                              ("bad@b.two.example", 250), ("good@three.example", 551), ("last@one.example", 553),
                              ("last@four.example", 553), ("good@four.example", 250)):
            s.say(f"RCPT TO:<{address}>", code)
        s.data()
        s.mail("a@b.example", ("x@four.example", "good@two.example"))
        s.data(code=452)


def server_ends():
    """server: ends of connections and of the server"""
    server = Server("timeout 1s\n")
    s = server.session()
    assert s.expect(421) and s.all() == b""
    server.wait("end", 1, "timeout")
    s = server.session()
    s.mail()
    s.say("DATA", 354)
    s.send("half a mess")
    s.expect(421)
    assert server.wait("lost", 2)["words"][2] == "timeout"
    s = Session(server.port)
    s.expect(220)
    s.close()
    server.wait("end", 3, "client")
    s = server.session()
    s.mail()
    s.say("DATA", 354)
    s.send("half")
    s.close()
    assert server.wait("lost", 4)["words"][2] == "connection closed"
    s = server.session()
    s.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    s.close()
    server.wait("end", 5, "reset")
    s = server.session()
    assert server.stop() == 0 and server.errors == ""
    s.expect(421)
    with Server("connections 2\n") as server:
        first, second, third = server.session(), server.session(), Session(server.port)
        assert third.is_silent(0.1)
        first.close()
        third.expect(220)
        second.say("NOOP", 250)
    with Server(listen="::1") as server:
        s = Session(server.port, "::1")
        s.expect(220)
        assert server.wait("connect", 1)["words"][2] == "::1"


def server_configuration():
    """server: wrong configurations"""
    for config, want in [
            ("", "no `listen`"), ("listen 127.0.0.1", "number"), ("listen localhost 25", "no IPv4"),
            ("what 1", "no such line: what"), ("listen 127.0.0.1 0\non", "a verb"),
            ("listen 127.0.0.1 0\non FOO ok", "no such verb: FOO"),
            ("listen 127.0.0.1 0\non RCPT", "thing to do"),
            ("listen 127.0.0.1 0\non RCPT refuse", "no refuse"),
            ("listen 127.0.0.1 0\ndomains a.example\non MAIL ok", "RCPT and later"),
            ("listen 127.0.0.1 0\non RCPT take close", "no take"),
            ("listen 127.0.0.1 0\non MESSAGE reply 250 x", "no reply"),
            ("listen 127.0.0.1 0\non EOD slow 1 bytes per 1s", "no slow"),
            ("listen 127.0.0.1 0\non RCPT close after 5 bytes", "bytes are counted"),
            ("listen 127.0.0.1 0\non EOD take bounce after 1s status 5.0.0 x", "bounces to"),
            ("listen 127.0.0.1 0\non RCPT reply 250", "a text"),
            ("listen 127.0.0.1 0\non RCPT reply 99 x", "200 to 599"),
            ("listen 127.0.0.1 0\non RCPT first 1 by nothing ok", "by this: nothing"),
            ("listen 127.0.0.1 0\non RCPT ok then", "too much: then"),
            ("listen 127.0.0.1 0\nname \"a", "quote")]:
        actor = Actor(Server.program, config)
        code = actor.finish()
        assert code == 2 and want in actor.errors, (config, code, actor.errors)
    taken = socket.create_server(("127.0.0.1", 0))
    actor = Actor(Server.program, f"listen 127.0.0.1 {taken.getsockname()[1]}")
    assert actor.finish() == 1 and "cannot listen" in actor.errors


def server_fuzz():
    """server: 2000 random sessions"""
    rng = random.Random(3)
    atoms = [b"EHLO x\r\n", b"HELO x\r\n", b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<c@d.example>\r\n",
             b"RCPT TO:<gone@d.example>\r\n", b"DATA\r\n", b"x\r\n.\r\n", b".\r\n", b"\r\n.\r\n", b"RSET\r\n",
             b"NOOP\r\n", b"QUIT\r\n", b"AUTH PLAIN\r\n", b"AUTH LOGIN\r\n", b"AGEAYg==\r\n", b"*\r\n", b"\n", b"\r",
             b"\0", b"\n.\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<drop+eod@x.example>\r\n",
             b"RCPT TO:<greylist+99999999999999999999@x>\r\n", b"RCPT TO:<bounce+++@x.example>\r\n",
             b"MAIL FROM:<" + b"a" * 700 + b"@x>\r\n", b"<" * 3000, b"RCPT TO:<@a,@b:", b'"\\', b"VRFY x\r\n",
             b"AUTH CRAM-MD5\r\n", b"x" * 5000 + b"\r\n", b"\xff\xfe\r\n", b"..\r\n", b"BDAT 5\r\n"]
    rules = ('size 2000\nauth any\naddress-rules on\non RCPT gone@* chance 50% reply 550 "5.1.1 a\\nb" split\n'
             'on EOD chance 20% take close\non EOD chance 20% reply 250 "2.0.0 x" cut 4 bytes\n'
             'on MESSAGE chance 20% slow 10 bytes per 1ms\non MESSAGE chance 10% reset after 20 bytes\n'
             'on any chance 2% close\non any chance 2% reset\non any chance 2% delay 3ms ok\n'
             'on connect chance 10% close after 30 bytes\non any chance 2% raw "\\x00\\n"\n'
             'on NOOP over 2 per 1ms by connection reply 450 "4.0.0 x"\n')
    config = (f"name mx.test.example\nlisten 127.0.0.1 0\nbounces to 127.0.0.1 9\n{rules}"
              "on EOD chance 30% take bounce after 1ms status 5.0.0 x\n")
    with Server(config) as server:
        def one(seed):
            rng = random.Random(seed)
            try:
                s = Session(server.port)
            except ConnectionError:
                return
            try:
                if rng.random() < 0.5:
                    s.send(b"".join(atoms[i] for i in (0, 2, 3)[:rng.randrange(4)]) + atoms[5])
                for _ in range(rng.randrange(1, 12)):
                    if rng.random() < 0.15:
                        s.send(bytes(rng.randrange(256) for _ in range(rng.randrange(1, 60))))
                    else:
                        s.send(b"".join(rng.choice(atoms) for _ in range(rng.randrange(1, 4))))
                    if rng.random() < 0.2:
                        s.socket.settimeout(0.002)
                        try:
                            s.socket.recv(1000)
                        except socket.timeout:
                            pass
                if rng.random() < 0.3:
                    s.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            except ConnectionError:
                pass
            s.close()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(one, [rng.random() for _ in range(2000)]))
        until = time.monotonic() + PATIENCE
        # One that is reset before the server looks may never be seen.
        while len(server.of("end")) < 2000 and time.monotonic() < until:
            if len(server.of("end")) == len(server.of("connect")) >= 1990:
                break
            time.sleep(0.1)
        ends, connects = len(server.of("end")), len(server.of("connect"))
        assert ends == connects >= 1990, f"{connects} connections, {ends} ends"
        s = None
        for _ in range(200):  # the rules may close this one, too
            try:
                s = server.session()
                s.say("NOOP")
                break
            except (EOFError, AssertionError, ConnectionError):
                pass
        assert s and len(server.of("took")) > 20
        # what was opened is given back
        s.close()
        server.wait("end", server.of("connect")[-1]["words"][1])
        time.sleep(0.1)
        assert len(os.listdir(f"/proc/{server.process.pid}/fd")) < 40


# --- smtp-client ------------------------------------------------------------------------------

def client(lines, *connections, message=b"Subject: x\n\nbody\n", first="connect 127.0.0.1 {port}\nfrom a@b.example\n"):
    """Runs smtp-client against a script: exit code, records, script."""
    script = Script(*connections)
    code, actor = send_by(CLIENT, first.format(port=script.port) + lines, message)
    script.join(PATIENCE)
    return code, actor, script


def results(actor):
    return [r["words"][1:] for r in actor.of("result")]


PLAIN = [b"220 mx\r\n", 1, b"250 mx\r\n", 1, b"250 ok\r\n", 1, b"250 ok\r\n", 1, b"354 go\r\n",
         ("until", b"\r\n.\r\n"), b"250 done\r\n", 1, b"221 bye\r\n"]


def client_dialogue():
    """client: a dialogue, step by step and pipelined"""
    code, actor, script = client("to x@y.example\nhelo me.example\n", PLAIN, message=b"Subject: x\n\n.a\n..\nend")
    assert code == 0, actor.errors
    assert script.heard[0] == (b"EHLO me.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nDATA\r\n"
                               b"Subject: x\r\n\r\n..a\r\n...\r\nend\r\n.\r\nQUIT\r\n"), script.heard
    assert [r["words"] for r in actor.records] == [
        ["try", "1"], ["connect", "127.0.0.1"], ["in", "220 mx"], ["out", "EHLO me.example"], ["in", "250 mx"],
        ["out", "MAIL FROM:<a@b.example>"], ["in", "250 ok"], ["out", "RCPT TO:<x@y.example>"], ["in", "250 ok"],
        ["rcpt", "x@y.example", "250"], ["out", "DATA"], ["in", "354 go"], ["in", "250 done"],
        ["result", "accepted", "250 done"], ["out", "QUIT"], ["in", "221 bye"]]
    group = [b"220 mx\r\n", 1, EHLO, 4, b"250 s\r\n250-5.1.1\r\n250 r\r\n550 5.1.1 no\r\n354 go\r\n",
             ("until", b"\r\n.\r\n"), b"250 done\r\n", 1, b"221 bye\r\n"]
    code, actor, script = client("to x@y.example\nto z@y.example\noptions SIZE BODY=8BITMIME X=1\n", group)
    assert code == 1 and results(actor) == [["refused", "550 5.1.1 no"]], results(actor)
    assert b"MAIL FROM:<a@b.example> SIZE=23 BODY=8BITMIME X=1\r\nRCPT TO:<x@y.example>\r\nRCPT TO:<z@y.example>\r\nDATA\r\n" \
        in script.heard[0], script.heard
    assert [r["words"][1:] for r in actor.of("rcpt")] == [["x@y.example", "250"], ["z@y.example", "550"]]
    # not offered, or not wanted: one by one, and no options that are not offered
    one = [b"220 mx\r\n", 1, EHLO] + PLAIN[3:]
    assert client("to x@y.example\npipelining off\n", one)[0] == 0
    code, actor, script = client("to x@y.example\noptions SIZE BODY=8BITMIME\n", PLAIN)
    assert code == 0 and b"<a@b.example>\r\n" in script.heard[0]


def client_hello():
    """client: HELO where EHLO is not known"""
    steps = [b"220 mx\r\n", 1, b"502 what\r\n"] + PLAIN[1:]
    code, actor, script = client("to x@y.example\n", steps)
    assert code == 0 and b"EHLO client.example\r\nHELO client.example\r\n" in script.heard[0]
    code, actor, script = client("to x@y.example\n", [b"220 mx\r\n", 1, b"502 what\r\n", 1, b"550 no\r\n", 1, b"221 b\r\n"])
    assert code == 1 and results(actor) == [["refused", "550 no"]]
    code, actor, script = client("to x@y.example\n", [b"220 mx\r\n", 1, b"450 no\r\n", 1, b"221 b\r\n"])
    assert code == 3 and results(actor) == [["deferred", "450 no"]]


def client_refusals():
    """client: refused and deferred at every step"""
    for code, status, word in ((b"550", 1, "refused"), (b"450", 3, "deferred")):
        for at in (0, 4, 6, 8, 10):
            steps = PLAIN[:at] + [code + b" at " + str(at).encode() + b"\r\n", 1, b"221 bye\r\n"]
            got, actor, script = client("to x@y.example\n", steps)
            assert got == status and results(actor) == [[word, f"{code.decode()} at {at}"]], (at, got, results(actor))
            assert script.heard[0].endswith(b"QUIT\r\n")
        # all of a pipelined group: what was sent is waited for; nobody wants it, but 354 wants a dot
        for replies in (b"%s m\r\n503 r\r\n503 d\r\n", b"250 m\r\n%s m\r\n503 d\r\n"):
            steps = [b"220 mx\r\n", 1, EHLO, 3, replies % code, 1, b"221 bye\r\n"]
            got, actor, script = client("to x@y.example\n", steps)
            assert got == status and results(actor) == [[word, f"{code.decode()} m"]], results(actor)
            assert len(actor.of("in")) == 6
        steps = [b"220 mx\r\n", 1, EHLO, 3, b"250 m\r\n" + code + b" r\r\n354 d\r\n", 1, b"554 none\r\n", 1, b"221 x\r\n"]
        got, actor, script = client("to x@y.example\n", steps)
        assert got == status and results(actor) == [[word, f"{code.decode()} r"]], results(actor)
        assert script.heard[0].endswith(b"DATA\r\n.\r\nQUIT\r\n")


def client_lost():
    """client: the connection dies at every step"""
    names = {0: "the greeting", 2: "EHLO", 4: "MAIL", 6: "RCPT", 8: "DATA", 12: None}
    for how, word in (("close", "connection closed"), ("reset", "connection reset")):
        for at, name in names.items():
            got, actor, script = client("to x@y.example\n", PLAIN[:at] + [how])
            want = [["lost", f"{word} at {name}"]] if name else [["accepted", "250 done"]]
            if (how, at) == ("reset", 0) and results(actor) == [["lost", word]]:
                continue  # it was too fast: connecting was not seen to succeed
            assert got == (3 if name else 0) and results(actor) == want, (how, at, results(actor))
        got, actor, script = client("to x@y.example\n", PLAIN[:10] + [how])
        assert got == 3 and results(actor) == [["lost", "after the final dot"]], results(actor)
        got, actor, script = client("to x@y.example\n", PLAIN[:9] + [("until", b"x" * 10), how],
                                    message=b"x\n" + b"x" * 8000000 + b"\n")
        assert got == 3 and re.fullmatch(r"connection (reset|closed) at the message", results(actor)[0][1]), results(actor)
    got, actor, script = client("to x@y.example\n", PLAIN[:9] + [("until", b"x" * 10), b"451 too much\r\n", ("wait", 0.2), "reset"],
                                message=b"x" * 8000000 + b"\n")
    assert got == 3 and results(actor) == [["deferred", "451 too much"]], results(actor)
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    got, actor = send_by(CLIENT, f"connect 127.0.0.1 {port}\nfrom a@b.example\nto c@d.example\n")
    assert got == 3 and results(actor) == [["lost", "connection refused"]], results(actor)
    for junk in (b"hello\r\n", b"22\r\n", b"220?x\r\n", b"220-" + b"x" * 70000, b"\0\0\0\r\n"):
        got, actor, script = client("to x@y.example\n", [junk, "hold"])
        assert got == 3 and results(actor)[0][0] == "lost", (junk[:10], results(actor))
    got, actor, script = client("to x@y.example\ntimeout 500ms\n", [b"220 mx\r\n", "hold"])
    assert got == 3 and results(actor) == [["lost", "timed out at EHLO"]]


def client_retries():
    """client: tries again as told, each begin exactly so long after the one before"""
    defer = [b"220 mx\r\n", 1, b"250 mx\r\n", 1, b"450 later\r\n", 1, b"221 bye\r\n"]
    code, actor, script = client("to x@y.example\nretry every 200ms until accepted\n", defer, [("wait", 0.1), "close"],
                                 PLAIN[:10] + ["reset"], PLAIN)
    assert code == 0 and [r[0] for r in results(actor)] == ["deferred", "lost", "lost", "accepted"]
    tries = actor.of("try")
    assert [t["words"][1] for t in tries] == ["1", "2", "3", "4"]
    assert tries[3]["time"] - tries[0]["time"] > 0.4  # 0.6, but the reader may come late
    code, actor, script = client("to x@y.example\nretry every 50ms times 2\n", defer, defer, defer)
    assert code == 3 and len(results(actor)) == 3
    code, actor, script = client("to x@y.example\nno retry\n", defer)
    assert code == 3 and len(results(actor)) == 1
    # only those that were deferred are tried again
    two = [b"220 mx\r\n", 1, EHLO, 5, b"250 s\r\n250 r\r\n450 r\r\n550 r\r\n354 go\r\n", ("until", b"\r\n.\r\n"),
           b"250 done\r\n", 1, b"221 bye\r\n"]
    code, actor, script = client("to x@y.example\nto y@y.example\nto z@y.example\nretry every 50ms times 5\n", two, PLAIN)
    assert code == 1 and [r[0] for r in results(actor)] == ["deferred", "accepted"], results(actor)
    assert script.heard[1].count(b"RCPT") == 1 and b"RCPT TO:<y@y.example>" in script.heard[1]


def client_addresses():
    """client: several addresses, in order"""
    refused = socket.create_server(("127.0.0.1", 0))
    port = refused.getsockname()[1]
    refused.close()
    busy = Script([b"421 busy\r\n", "close"])
    first = f"connect 127.0.0.1 {port}\nconnect 127.0.0.1 {busy.port}\nconnect 127.0.0.1 {{port}}\nfrom a@b.example\n"
    code, actor, script = client("to x@y.example\n", PLAIN, first=first)
    assert code == 0 and len(actor.of("connect")) == 3 and results(actor) == [["accepted", "250 done"]]


def client_auth():
    """client: AUTH PLAIN"""
    steps = [b"220 mx\r\n", 1, EHLO.replace(b"PIPELINING", b"X"), 1, b"235 hi\r\n"] + PLAIN[3:]
    code, actor, script = client("to x@y.example\nauth bob \"pass word\"\n", steps)
    assert code == 0 and base64.b64encode(b"\0bob\0pass word") in script.heard[0]
    steps = [b"220 mx\r\n", 1, EHLO, 1, b"535 no\r\n", 1, b"221 bye\r\n"]
    code, actor, script = client("to x@y.example\nauth bob x\n", steps)
    assert code == 1 and results(actor) == [["refused", "535 no"]]
    code, actor, script = client("to x@y.example\nauth bob x\n", [b"220 mx\r\n", 1, b"250 mx\r\n", 1, b"221 bye\r\n"])
    assert code == 1 and results(actor) == [["refused", "AUTH PLAIN is not offered"]]


def client_ways():
    """client: chunks, cuts, raw bytes, blind"""
    body = b"x" * 298 + b"\n"
    code, actor, script = client("to x@y.example\nchunk 100 bytes every 150ms\n", PLAIN, message=body)
    assert code == 0 and script.heard[0].count(body[:-1] + b"\r\n.\r\n") == 1
    assert script.arrivals[0][-1][0] - script.arrivals[0][4][0] > 0.25, script.arrivals
    for cut in (0, 1, 150, 302):
        code, actor, script = client(f"to x@y.example\ncut after {cut} bytes\n", PLAIN[:9] + ["hold"], message=body)
        assert code == 3 and results(actor)[0][0] == "lost", results(actor)
        assert len(script.heard[0].split(b"DATA\r\n")[1]) == cut, (cut, script.heard)
    code, actor, script = client("to x@y.example\ncut after 9 bytes first 1\nretry every 20ms times 3\n", PLAIN[:9] + ["hold"], PLAIN)
    assert code == 0
    raw = b"a\rb\nc\r\n.\nx\n.\r\n\0\xff\r\n.\r\n"
    code, actor, script = client("to x@y.example\nraw\n", PLAIN, message=raw)
    assert code == 0 and script.heard[0].split(b"DATA\r\n")[1] == raw + b"QUIT\r\n"
    steps = [b"220 mx\r\n", 1, b"250 mx\r\n", 1, b"250 s\r\n", 1, b"550 r\r\n", 1, b"503 no\r\n",
             ("until", b"\r\n.\r\n"), b"500 what\r\n", 1, b"221 bye\r\n"]
    code, actor, script = client("to x@y.example\nblind\n", steps, message=b"x\n")
    assert code == 1 and results(actor) == [["refused", "550 r"]], results(actor)
    assert script.heard[0].endswith(b"DATA\r\nx\r\n.\r\nQUIT\r\n"), script.heard


def client_configuration():
    """client: wrong configurations, and TERM"""
    good = "connect 127.0.0.1 25\nfrom a@b.example\nto c@d.example\n"
    for config, want in [("", "no `connect`"), ("connect 127.0.0.1 25\n", "no `from`"), (good, "no `message`"),
                         (good + "message 5\nabc", "ends before"), (good + "message 1\nxhelo me\n", "last thing"),
                         (good + "retry often\n", "expected every"), (good + "cut 5\n", "expected after"),
                         (good + "pipelining\n", "expected off"), ("connect nowhere 25\n", "no IPv4")]:
        actor = Actor(CLIENT, config)
        code = actor.finish()
        assert code == 2 and want in actor.errors, (config, code, actor.errors)
    script = Script([b"220 mx\r\n", "hold"])
    actor = Actor(CLIENT, f"connect 127.0.0.1 {script.port}\nfrom a@b.example\nto c@d.example\nmessage 2\nx\n")
    actor.wait("out")
    assert actor.stop() == 0 and not actor.of("result")


def both():
    """client and server: what one sends the other takes"""
    message = b"Subject: x\n\n.\n..\n.x\n\xff\0\n" + b"y" * 5000 + b"\n\n"
    with Server('on RCPT gone@* reply 550 "5.1.1 no"\non RCPT first 1 by triple reply 451 "4.7.1 grey"\n') as server:
        for extra in ("pipelining on\n", "pipelining off\n"):
            code, actor = send_by(CLIENT, f"connect 127.0.0.1 {server.port}\nfrom a@b.example\nto c{len(extra)}@d.example\n"
                                  f"to d{len(extra)}@d.example\nto gone@d.example\nretry every 30ms until accepted\n" + extra, message)
            assert code == 1 and [r[0] for r in results(actor)] == ["deferred", "accepted"], results(actor)
        for took in server.took(2):
            assert took["bytes"] == message and len(took["words"]) == 7
        assert not server.of("bad"), server.of("bad")
    for deed, status in (("take close", 3), ("take silence", 3), ('reply 250 "ok" cut 2 bytes', 3), ('reply 250 "ok" split', 0)):
        with Server(f"on EOD {deed}\n") as server:
            code, actor = send_by(CLIENT, f"connect 127.0.0.1 {server.port}\nfrom a@b.example\nto c@d.example\ntimeout 1s\n")
            assert code == status, (deed, code)
            assert results(actor) == ([["lost", "after the final dot"]] if status else [["accepted", "250 ok"]])
            server.took()


def documentation():
    """docs: every address rule is printed"""
    with open("sim/actors/smtp-server/address_rules.c") as file:
        words = re.findall(r'^    \{"(\w+)", do_', file.read(), re.M)
    with open("docs/architecture.md") as file:
        text = file.read()
    assert len(words) == 5
    for word in words:
        assert f"`{word}" in text, word


TESTS = [server_fuzz, server_dialogue, server_order, server_syntax, server_extensions, server_bytes, server_line_ends,
         server_pipelining, server_limits, server_auth, rules_at_every_verb, rules_any, rules_take,
         rules_after_bytes, rules_slow, rules_patterns, rules_counters, rules_greylisting, rules_rate,
         rules_chance, rules_times, server_address_rules, server_bounce, server_keeps, server_domains, server_ends,
         server_configuration, client_dialogue, client_hello, client_refusals, client_lost,
         client_retries, client_addresses, client_auth, client_ways, client_configuration, both, documentation]


def run(test):
    try:
        test()
        return None
    except BaseException:  # pylint: disable=broad-except
        return traceback.format_exc()


def main():
    global CLIENT
    Server.program = sys.argv[1] + "/nixie-actor-smtp-server"
    CLIENT = sys.argv[1] + "/nixie-actor-smtp-client"
    chosen = [t for t in TESTS if len(sys.argv) < 3 or t.__name__ in sys.argv[2:]]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for number, (test, trouble) in enumerate(zip(chosen, pool.map(run, chosen)), 1):
            print(f"{'not ok' if trouble else 'ok'} {number} - {test.__doc__}", flush=True)
            if trouble:
                failed = 1
                print("".join(f"# {line}\n" for line in trouble[-2500:].splitlines()), end="", flush=True)
    print(f"1..{len(chosen)}")
    return failed


sys.exit(main())
