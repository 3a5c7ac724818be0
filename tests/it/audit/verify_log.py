# Follows the chain of an audit log with nothing but Python: docs/AUDIT.md, "Checking it by hand".
import hashlib, json, sys

seq, prev = None, None
for path in sys.argv[1:]:
    for number, line in enumerate(open(path, "rb"), 1):
        head, mark, tail = line.rpartition(b',"hash":"')
        record = json.loads(line)
        where = f"{path} line {number}"
        if hashlib.sha256(head).hexdigest().encode() + b'"}\n' != tail:
            sys.exit(f"{where}: edited")
        if seq is not None and (record["seq"] != seq + 1 or record["prev"] != prev):
            sys.exit(f"{where}: does not follow record {seq}")
        seq, prev = record["seq"], record["hash"]
print(seq, prev)
