# usage: bounce_check.py MESSAGE EXPRESSION...: see tests/e2e/bounce.sh
import email
import email.policy
import email.utils
import sys

raw = open(sys.argv[1], "rb").read()
m = email.message_from_bytes(raw, policy=email.policy.default)
parts = list(m.iter_parts())
assert m.get_content_type() == "multipart/report" and not m.defects, m.defects
assert m.get_param("report-type") == "delivery-status"
assert [p.get_content_type() for p in parts] == ["text/plain", "message/delivery-status", "message/rfc822"]
for part in parts:
    assert not part.defects, part.defects
assert m["MIME-Version"] == "1.0" and m["Message-ID"] and m["Date"] and m["From"] and m["To"]
text = parts[0].get_content()
# The fields of the whole message, then those of each recipient.
blocks = [b for b in parts[1].get_payload() if b.keys()]


def unfolded(block):
    return {key: " ".join(str(value).split()) for key, value in block.items()}


class Fields(dict):
    def __missing__(self, key):
        return None


fields = Fields(unfolded(blocks[0]))
r = sorted((Fields(unfolded(b)) for b in blocks[1:]), key=lambda f: f["Final-Recipient"])
for f in r:
    assert f["Final-Recipient"] and f["Action"] and f["Status"], f
# Bytes of the last part as they stand there, without its header.
boundary = b"\n--" + m.get_boundary().encode()
original = raw.rsplit(boundary, 2)[1].split(b"\n\n", 1)[1]
for expression in sys.argv[2:]:
    if not eval(expression):
        print("not true: " + expression, fields, *r, text, sep="\n")
        sys.exit(1)
