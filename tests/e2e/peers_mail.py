#!/usr/bin/env python3
"""Numbered messages that tell whether they arrived unchanged.

    peers_mail.py send ADDRESS PORT SENDER COUNT TAG=RECIPIENT[,RECIPIENT...]...   by smtplib, in one
        session, COUNT messages for each tag; prints how many were accepted for all recipients
    peers_mail.py file TAG NUMBER                                   one message on standard output
    peers_mail.py check TAG FROM TO PATH...                         messages in folders, files
    peers_mail.py session ADDRESS PORT SOURCE                       what smtplib finds at a server

`check` prints "N of N" when each number has arrived once and unchanged, and what is wrong if not.
In smtp-sink's dumps a message is once for each recipient.
"""
import hashlib
import os
import re
import smtplib
import sys

MARK = b"X-Test-Sum: "


def body_of(tag, number):
    """Lines of all kinds: dots, long ones, 8-bit, blanks at ends, none at all."""
    lines = [
        b"This is %s %d." % (tag.encode(), number),
        b".",
        b"..",
        b".dot at the begin",
        b"",
        b"   blanks and a tab at the end \t ",
        b"From here on it is longer",
        b"x" * (1 + (number * 7919) % 995),
        bytes(b for b in range(128, 256)) if number % 3 == 0 else b"7 bits",
    ]
    lines += [b"line %d of %d" % (i, number) for i in range(number * 37 % 100)]
    lines += [b"."] * (number % 3)
    return b"".join(line + b"\n" for line in lines)


def message(tag, number):
    body = body_of(tag, number)
    head = b"From: <tester@client.example>\nTo: undisclosed recipients:;\nSubject: %s %d\n" % (tag.encode(), number)
    head += MARK + hashlib.md5(body).hexdigest().encode() + b"\n\n"
    return head + body


def wire(text):
    return text.replace(b"\n", b"\r\n")


def send(address, port, sender, count, *sets):
    accepted = 0
    with smtplib.SMTP(address, int(port), timeout=60) as smtp:
        for i in range(1, int(count) + 1):
            for tag, _, recipients in (part.partition("=") for part in sets):
                refused = smtp.sendmail(sender, recipients.split(","), wire(message(tag, i)), ["BODY=8BITMIME"])
                accepted += not refused
    print(accepted)


def files_below(paths):
    for path in paths:
        if os.path.isdir(path):
            for folder, _, names in os.walk(path):
                yield from (os.path.join(folder, name) for name in names if not name.startswith("."))
        else:
            yield path


def read_message(data):
    """(tag, number, whole, copies), or None for what is not ours."""
    head, _, body = data.partition(b"\n\n")
    subject = re.search(rb"^Subject: (\S+) (\d+)$", head, re.M)
    mark = re.search(rb"^X-Test-Sum: (\w+)$", head, re.M)
    if not subject or not mark:
        return None
    copies = max(1, len(re.findall(rb"^X-Rcpt-Args:", head, re.M)))
    whole = hashlib.md5(body).hexdigest().encode() == mark[1]
    if not whole and b"X-Client-Addr:" in head:  # smtp-sink ends its dumps with an empty line
        whole = body.endswith(b"\n\n") and hashlib.md5(body[:-1]).hexdigest().encode() == mark[1]
    return subject[1].decode(), int(subject[2]), whole, copies


def check(tag, first, last, *paths):
    seen, changed = {}, []
    for path in files_below(paths):
        with open(path, "rb") as file:
            found = read_message(file.read().replace(b"\r\n", b"\n"))
        if not found or found[0] != tag:
            continue
        seen[found[1]] = seen.get(found[1], 0) + found[3]
        if not found[2]:
            changed.append(path)
    wanted = range(int(first), int(last) + 1)
    print(f"{sum(1 for i in wanted if i in seen)} of {len(wanted)}", end="")
    for what, which in (
        ("missing", [i for i in wanted if i not in seen]),
        ("twice", [i for i in seen if seen[i] > 1]),
        ("invented", [i for i in seen if i not in wanted]),
        ("changed", changed),
    ):
        if which:
            print(f", {what}: {len(which)} {which[:5]}", end="")
    print()


def session(address, port, source):
    def tell(name, what):
        print(f"{name}: {what}")

    def refusal(name, call, *arguments, **named):
        try:
            call(*arguments, **named)
            tell(name, "accepted")
        except smtplib.SMTPRecipientsRefused as error:
            tell(name, "recipients " + " ".join(str(code) for code, _ in error.recipients.values()))
        except smtplib.SMTPResponseException as error:
            tell(name, error.smtp_code)
        except smtplib.SMTPException as error:
            tell(name, type(error).__name__)

    smtp = smtplib.SMTP(address, int(port), timeout=60, source_address=(source, 0))
    tell("ehlo", smtp.ehlo("client.example")[0])
    tell("extensions", " ".join(sorted(smtp.esmtp_features)))
    tell("noop", smtp.noop()[0])
    tell("rset", smtp.rset()[0])
    tell("verify", smtp.verify("alice@mail.example")[0])
    tell("help", smtp.docmd("HELP")[0])
    tell("unknown", smtp.docmd("XYZZY")[0])
    tell("long line", smtp.docmd("NOOP", "x" * 5000)[0])
    tell("data without mail", smtp.docmd("DATA")[0])
    refusal("login", smtp.login, "name", "password")
    refusal("starttls", smtp.starttls)
    refusal("too large", smtp.sendmail, "a@client.example", ["alice@mail.example"], b"x" * 3000000)
    refusal("no such relay", smtp.sendmail, "a@client.example", ["x@elsewhere.example"], b"x\r\n")
    refused = smtp.sendmail("a@client.example", ["alice@mail.example", "x@elsewhere.example"], wire(message("smtplib", 1)))
    tell("one of two", " ".join(f"{who} {code}" for who, (code, _) in refused.items()))
    tell("quit", smtp.quit()[0])
    smtp = smtplib.SMTP(address, int(port), timeout=60, source_address=(source, 0))
    tell("helo", smtp.helo("client.example")[0])
    tell("after helo", len(smtp.sendmail("", ["alice@mail.example"], wire(message("smtplib", 2)))))
    smtp.close()  # without QUIT


def main():
    if len(sys.argv) > 2 and sys.argv[1] in ("send", "check", "session"):
        globals()[sys.argv[1]](*sys.argv[2:])
    elif len(sys.argv) == 4 and sys.argv[1] == "file":
        sys.stdout.buffer.write(message(sys.argv[2], int(sys.argv[3])))
    else:
        sys.exit(__doc__)


main()
