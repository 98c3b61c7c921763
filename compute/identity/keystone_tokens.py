"""Makes and reads tokens with Debian's Keystone, for token-format.test.ts. stdin: one JSON document
{"keys": folder, "make": [fields, ...], "read": [token, ...]}; stdout: {"made": [token, ...], "read": [fields, ...]}."""
import json
import sys

import keystone.conf
from keystone.token import token_formatters as formatters

NAMES = ('user_id', 'methods', 'audit_ids', 'system', 'domain_id', 'project_id', 'trust_id', 'groups',
         'provider_id', 'protocol_id', 'access_token_id', 'app_cred_id', 'issued_at', 'expires_at')


def main():
    job = json.load(sys.stdin)
    conf = keystone.conf.CONF
    keystone.conf.configure(conf)
    conf([], project='keystone', default_config_files=[])
    conf.set_override('key_repository', job['keys'], group='fernet_tokens')
    formatter = formatters.TokenFormatter()
    classes = {c.version: c for c in formatters._PAYLOAD_CLASSES}
    made = []
    for fields in job['make']:
        version = fields.pop('version')
        made.append(formatter.create_token(payload_class=classes[version], **fields))
    read = [dict(zip(NAMES, formatter.validate_token(token))) for token in job['read']]
    json.dump({'made': made, 'read': read, 'versions': sorted(classes)}, sys.stdout)


main()
