"""Steps of boto3.ts: `boto3_steps.py NAME` runs one against S3_ENDPOINT, in the bucket BUCKET; a trace back means failure."""
import io
import os
import random
import ssl
import sys
import urllib.error
import urllib.request

import boto3
import botocore.exceptions
import botocore.httpchecksum
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

ENDPOINT = os.environ['S3_ENDPOINT']
BUCKET = os.environ['BUCKET']
CONFIG = Config(s3={'addressing_style': 'path'}, retries={'total_max_attempts': 1}, signature_version='s3v4')
S3 = boto3.client('s3', endpoint_url=ENDPOINT, config=CONFIG)
PARTS = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)


def fetch(url, data=None, method='GET', headers={}):
    context = ssl.create_default_context(cafile=os.environ['AWS_CA_BUNDLE']) if url.startswith('https') else None
    with urllib.request.urlopen(urllib.request.Request(url, data=data, method=method, headers=headers), context=context, timeout=20) as got:
        return got.read()


def transfers():
    data = random.Random(1).randbytes((12 << 20) + 3)
    S3.upload_fileobj(io.BytesIO(data), BUCKET, 'large', Config=PARTS, ExtraArgs={'Metadata': {'colour': 'blue'}})
    head = S3.head_object(Bucket=BUCKET, Key='large')
    assert head['ETag'].endswith('-3"') and head['Metadata'] == {'colour': 'blue'}, head
    back = io.BytesIO()
    S3.download_fileobj(BUCKET, 'large', back, Config=PARTS)
    assert back.getvalue() == data


def trailers():
    """SDKs send checksums as trailers over TLS, and as headers without it."""
    able = getattr(botocore.httpchecksum, '_SUPPORTED_CHECKSUM_ALGORITHMS', ['crc32', 'sha1', 'sha256'])
    names = [name for name in ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] if name.lower() in able]
    assert len(names) > 2, able
    for name in names:
        data = random.Random(2).randbytes(200_000)
        S3.put_object(Bucket=BUCKET, Key=name, Body=io.BytesIO(data), ChecksumAlgorithm=name)
        got = S3.get_object(Bucket=BUCKET, Key=name, ChecksumMode='ENABLED')
        assert got[f'Checksum{name}'] and got['Body'].read() == data, name


def pages():
    for number in range(7):
        S3.put_object(Bucket=BUCKET, Key=f'page/{number}', Body=b'')
    for operation in ['list_objects', 'list_objects_v2']:
        found = S3.get_paginator(operation).paginate(Bucket=BUCKET, Prefix='page/', PaginationConfig={'PageSize': 2})
        found = list(found)
        assert len(found) == 4 and sum(len(page['Contents']) for page in found) == 7, operation


def presigned():
    # Python adds a Content-Type of its own; only a signed one is taken where the listener may have cut it.
    wanted = {'Bucket': BUCKET, 'Key': 'signed +&', 'ContentType': 'text/x'}
    put = S3.generate_presigned_url('put_object', Params=wanted, ExpiresIn=60)
    fetch(put, b'presigned', 'PUT', {'Content-Type': 'text/x'})
    get = S3.generate_presigned_url('get_object', Params={'Bucket': BUCKET, 'Key': 'signed +&'}, ExpiresIn=60)
    assert fetch(get) == b'presigned'
    try:
        fetch(get.replace('signed', 'forged'))
        raise AssertionError('a forged URL works')
    except urllib.error.HTTPError as error:
        assert error.code == 403, error


def presigned_post():
    """A form as a browser sends it, and one that was altered."""
    conditions = [['content-length-range', 1, 100]]
    post = S3.generate_presigned_post(BUCKET, 'posted', Conditions=conditions)
    send_form(post['url'], post['fields'], b'from a form')
    assert S3.get_object(Bucket=BUCKET, Key='posted')['Body'].read() == b'from a form'
    for fields, body in [({**post['fields'], 'key': 'another'}, b'x'), (post['fields'], b'x' * 101)]:
        try:
            send_form(post['url'], fields, body)
            raise AssertionError('accepted')
        except urllib.error.HTTPError as error:
            assert error.code in (400, 403), error


def send_form(url, fields, body):
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    file = '--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    form = ''.join(parts).encode() + file.encode() + body + b'\r\n--b--\r\n'
    return fetch(url, form, 'POST', {'Content-Type': 'multipart/form-data; boundary=b'})


def select():
    S3.put_object(Bucket=BUCKET, Key='animals', Body=b'{"kind":"cat","legs":4}\n{"kind":"eel","legs":0}\n')
    answer = S3.select_object_content(Bucket=BUCKET, Key='animals', ExpressionType='SQL',
                                      Expression='SELECT s.kind FROM S3Object s WHERE s.legs > 0',
                                      InputSerialization={'JSON': {'Type': 'LINES'}}, OutputSerialization={'CSV': {}})
    events = list(answer['Payload'])
    found = b''.join(event['Records']['Payload'] for event in events if 'Records' in event)
    assert found == b'cat\n' and 'End' in events[-1], events
    S3.delete_object(Bucket=BUCKET, Key='animals')


def resources():
    bucket = boto3.resource('s3', endpoint_url=ENDPOINT, config=CONFIG).Bucket(BUCKET)
    bucket.copy({'Bucket': BUCKET, 'Key': 'large'}, 'copied', Config=PARTS)
    assert bucket.Object('copied').content_length == (12 << 20) + 3
    bucket.objects.all().delete()
    assert not list(bucket.objects.all())
    bucket.delete()
    try:
        S3.head_bucket(Bucket=BUCKET)
        raise AssertionError('the bucket is still there')
    except botocore.exceptions.ClientError as error:
        assert error.response['Error']['Code'] == '404', error


if sys.argv[1] == 'transfers':
    S3.create_bucket(Bucket=BUCKET)
globals()[sys.argv[1]]()
