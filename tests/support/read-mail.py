"""Reads a message from standard input with Python's own parser and tells its parts as JSON, faults included."""

import json
import sys
from email import message_from_binary_file
from email.policy import default


def tell(part):
    told = {
        'type': part.get_content_type(),
        'headers': [[name, str(value)] for name, value in part.items()],
        'defects': [str(defect) for defect in part.defects],
    }
    if part.get_content_type() == 'message/delivery-status':
        told['fields'] = [[[name, str(value)] for name, value in block.items()] for block in part.get_payload()]
    elif part.is_multipart():
        told['parts'] = [tell(each) for each in part.iter_parts()] if part.get_content_maintype() == 'multipart' \
            else [tell(each) for each in part.get_payload()]
    else:
        told['text'] = part.get_content() if part.get_content_maintype() == 'text' else None
    return told


print(json.dumps(tell(message_from_binary_file(sys.stdin.buffer, policy=default))))
