"""The S3 suite as boto3 users write it. Prints one line a test: `ok NAME` or `not ok NAME: REASON`; run by s3-boto3.ts."""
import base64
import datetime
import hashlib
import io
import os
import random
import sys
import threading
import traceback
import urllib.error
import urllib.request

import boto3
import botocore
import botocore.exceptions
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

ENDPOINT = os.environ['S3_ENDPOINT']
TLS = ENDPOINT.startswith('https')
COUNT = 0


def client(style='path', keys=None, **config):
    options = {'s3': {'addressing_style': style}, 'retries': {'total_max_attempts': 1}, 'signature_version': 's3v4'}
    key, secret = keys or (os.environ['AWS_ACCESS_KEY_ID'], os.environ['AWS_SECRET_ACCESS_KEY'])
    endpoint = ENDPOINT if style == 'path' else ENDPOINT.replace('localhost', 's3.localhost')
    return boto3.client('s3', endpoint_url=endpoint, aws_access_key_id=key, aws_secret_access_key=secret,
                        config=Config(**{**options, **config}))


S3 = client()
STRANGER = client(keys=(os.environ['STRANGER_ACCESS_KEY_ID'], os.environ['STRANGER_SECRET_ACCESS_KEY']))


def bucket():
    global COUNT
    COUNT += 1
    name = f'boto-{os.getpid()}-{COUNT}'
    S3.create_bucket(Bucket=name)
    return name


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as error:
        got = error.response['Error']['Code']
        assert got == code, f'{got} instead of {code}: {error}'
        return error.response
    raise AssertionError(f'{code} expected')


def body(response):
    return response['Body'].read()


def fetch(url, data=None, method='GET', headers=None):
    context = None
    if TLS:
        import ssl
        context = ssl.create_default_context(cafile=os.environ['AWS_CA_BUNDLE'])
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    with urllib.request.urlopen(request, context=context, timeout=20) as response:
        return response.read(), response


def test_round_trip():
    b = bucket()
    for key in ['plain', 'dir/a b', 'ü/漢字', "odd!'()*;:@&=+$,?#[]~", '%41', 'tab\there', ' lead', 'trail ', '//', 'a/./b/../c']:
        data = key.encode() * 3
        put = S3.put_object(Bucket=b, Key=key, Body=data, ContentType='text/x', Metadata={'a': 'b c'})
        assert put['ETag'] == f'"{hashlib.md5(data).hexdigest()}"'
        got = S3.get_object(Bucket=b, Key=key)
        assert body(got) == data and got['Metadata'] == {'a': 'b c'} and got['ContentType'] == 'text/x', key
    keys = [entry['Key'] for entry in S3.list_objects_v2(Bucket=b)['Contents']]
    assert len(keys) == 10 and keys == sorted(keys, key=lambda name: name.encode()), keys
    assert [entry['Key'] for entry in S3.list_objects(Bucket=b)['Contents']] == keys


def test_sizes():
    b = bucket()
    for size in [0, 1, 4096, 65535, 65536, 65537, 1 << 20, (3 << 20) + 1]:
        data = random.Random(size).randbytes(size)
        S3.put_object(Bucket=b, Key=str(size), Body=data)
        assert body(S3.get_object(Bucket=b, Key=str(size), ChecksumMode='ENABLED')) == data, size
        assert S3.head_object(Bucket=b, Key=str(size))['ContentLength'] == size


def test_streams_without_length_known_to_the_sdk():
    b = bucket()

    class Pipe(io.RawIOBase):
        left = 300_000

        def readable(self):
            return True

        def readinto(self, into):
            count = min(len(into), self.left)
            into[:count] = b'z' * count
            self.left -= count
            return count

    S3.upload_fileobj(io.BufferedReader(Pipe()), b, 'pipe')
    assert body(S3.get_object(Bucket=b, Key='pipe')) == b'z' * 300_000


def test_checksum_algorithms():
    b = bucket()
    for name in ['CRC32', 'SHA1', 'SHA256']:
        put = S3.put_object(Bucket=b, Key=name, Body=b'hello', ChecksumAlgorithm=name)
        value = put[f'Checksum{name}']
        head = S3.head_object(Bucket=b, Key=name, ChecksumMode='ENABLED')
        assert head[f'Checksum{name}'] == value and head['ChecksumType'] == 'FULL_OBJECT'
        refused('BadDigest', S3.put_object, Bucket=b, Key='wrong', Body=b'hellO', **{f'Checksum{name}': value})
    refused('404', S3.head_object, Bucket=b, Key='wrong')


def test_trailing_checksum_of_a_stream():
    # The SDK sends the checksum of an unsigned stream as a trailer, and only over TLS.
    b = bucket()
    s3 = client(request_checksum_calculation='when_required')
    sent = []
    s3.meta.events.register('before-send.s3.PutObject', lambda request, **_: sent.append(dict(request.headers)))
    put = s3.put_object(Bucket=b, Key='k', Body=io.BytesIO(b'x' * 100_000), ChecksumAlgorithm='SHA256')
    assert put['ChecksumSHA256']
    got = s3.get_object(Bucket=b, Key='k')
    assert body(got) == b'x' * 100_000 and 'ContentEncoding' not in got
    if TLS:
        headers = {name.lower(): value for name, value in sent[0].items()}
        assert headers['x-amz-content-sha256'] in (b'STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'), headers


def test_managed_multipart():
    b = bucket()
    data = random.Random(1).randbytes((12 << 20) + 5)
    transfer = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    S3.upload_fileobj(io.BytesIO(data), b, 'big', Config=transfer, ExtraArgs={'Metadata': {'m': '1'}})
    into = io.BytesIO()
    S3.download_fileobj(b, 'big', into, Config=transfer)
    assert into.getvalue() == data
    head = S3.head_object(Bucket=b, Key='big', ChecksumMode='ENABLED')
    assert head['ETag'].endswith('-3"') and head['Metadata'] == {'m': '1'} and head['ChecksumType'] == 'COMPOSITE', head
    S3.copy({'Bucket': b, 'Key': 'big'}, b, 'copied', Config=transfer)
    assert body(S3.get_object(Bucket=b, Key='copied')) == data
    part = S3.get_object(Bucket=b, Key='big', PartNumber=3)
    assert body(part) == data[10 << 20:] and part['PartsCount'] == 3


def test_multipart_by_hand():
    b = bucket()
    upload = S3.create_multipart_upload(Bucket=b, Key='k', ChecksumAlgorithm='SHA256')
    uid = upload['UploadId']
    parts = []
    for number, data in [(1, b'a' * (5 << 20)), (2, b'b' * 10)]:
        part = S3.upload_part(Bucket=b, Key='k', UploadId=uid, PartNumber=number, Body=data, ChecksumAlgorithm='SHA256')
        parts.append({'PartNumber': number, 'ETag': part['ETag'], 'ChecksumSHA256': part['ChecksumSHA256']})
    listed = S3.list_parts(Bucket=b, Key='k', UploadId=uid)
    assert [part['Size'] for part in listed['Parts']] == [5 << 20, 10] and listed['ChecksumAlgorithm'] == 'SHA256'
    assert listed['Parts'][1]['ChecksumSHA256'] == parts[1]['ChecksumSHA256']
    uploads = S3.list_multipart_uploads(Bucket=b)['Uploads']
    assert [entry['UploadId'] for entry in uploads] == [uid]
    done = S3.complete_multipart_upload(Bucket=b, Key='k', UploadId=uid, MultipartUpload={'Parts': parts})
    assert done['ChecksumSHA256'].endswith('-2') and done['Bucket'] == b and done['Key'] == 'k'
    again = S3.complete_multipart_upload(Bucket=b, Key='k', UploadId=uid, MultipartUpload={'Parts': parts})
    assert again['ETag'] == done['ETag']
    assert 'Uploads' not in S3.list_multipart_uploads(Bucket=b)
    aborted = S3.create_multipart_upload(Bucket=b, Key='k')['UploadId']
    S3.abort_multipart_upload(Bucket=b, Key='k', UploadId=aborted)
    refused('NoSuchUpload', S3.upload_part, Bucket=b, Key='k', UploadId=aborted, PartNumber=1, Body=b'x')


def test_conditional_writes():
    b = bucket()
    first = S3.put_object(Bucket=b, Key='k', Body=b'1', IfNoneMatch='*')
    refused('PreconditionFailed', S3.put_object, Bucket=b, Key='k', Body=b'2', IfNoneMatch='*')
    refused('PreconditionFailed', S3.put_object, Bucket=b, Key='k', Body=b'2', IfMatch='"x"')
    refused('NoSuchKey', S3.put_object, Bucket=b, Key='absent', Body=b'2', IfMatch='"x"')
    S3.put_object(Bucket=b, Key='k', Body=b'2', IfMatch=first['ETag'])
    uid = S3.create_multipart_upload(Bucket=b, Key='k')['UploadId']
    part = S3.upload_part(Bucket=b, Key='k', UploadId=uid, PartNumber=1, Body=b'3')
    parts = {'Parts': [{'PartNumber': 1, 'ETag': part['ETag']}]}
    refused('PreconditionFailed', S3.complete_multipart_upload, Bucket=b, Key='k', UploadId=uid, MultipartUpload=parts, IfNoneMatch='*')
    S3.complete_multipart_upload(Bucket=b, Key='k', UploadId=uid, MultipartUpload=parts)
    assert body(S3.get_object(Bucket=b, Key='k')) == b'3'


def test_one_creator_wins():
    b = bucket()
    wins = []

    def create(number):
        try:
            S3.put_object(Bucket=b, Key='k', Body=str(number).encode(), IfNoneMatch='*')
            wins.append(number)
        except botocore.exceptions.ClientError as error:
            assert error.response['Error']['Code'] in ('PreconditionFailed', 'ConditionalRequestConflict'), error

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 1, wins
    assert body(S3.get_object(Bucket=b, Key='k')) == str(wins[0]).encode()


def test_conditional_reads():
    b = bucket()
    etag = S3.put_object(Bucket=b, Key='k', Body=b'1')['ETag']
    past = datetime.datetime(1994, 10, 29)
    assert body(S3.get_object(Bucket=b, Key='k', IfMatch=etag, IfModifiedSince=past)) == b'1'
    refused('PreconditionFailed', S3.get_object, Bucket=b, Key='k', IfMatch='"x"')
    refused('304', S3.get_object, Bucket=b, Key='k', IfNoneMatch=etag)
    refused('PreconditionFailed', S3.get_object, Bucket=b, Key='k', IfUnmodifiedSince=past)
    refused('304', S3.head_object, Bucket=b, Key='k', IfNoneMatch=etag)
    refused('412', S3.head_object, Bucket=b, Key='k', IfMatch='"x"')


def test_ranges():
    b = bucket()
    S3.put_object(Bucket=b, Key='k', Body=b'0123456789')
    for header, data in [('bytes=2-4', b'234'), ('bytes=7-', b'789'), ('bytes=-2', b'89')]:
        got = S3.get_object(Bucket=b, Key='k', Range=header)
        assert body(got) == data and got['ResponseMetadata']['HTTPStatusCode'] == 206
    error = refused('InvalidRange', S3.get_object, Bucket=b, Key='k', Range='bytes=40-50')
    assert error['Error']['ActualObjectSize'] == '10' and error['ResponseMetadata']['HTTPStatusCode'] == 416


def test_copies():
    b = bucket()
    S3.put_object(Bucket=b, Key='a +ü%', Body=b'data', Metadata={'m': '1'}, ContentType='text/x')
    copied = S3.copy_object(Bucket=b, Key='c', CopySource={'Bucket': b, 'Key': 'a +ü%'})
    assert copied['CopyObjectResult']['ETag'] == f'"{hashlib.md5(b"data").hexdigest()}"'
    head = S3.head_object(Bucket=b, Key='c')
    assert head['Metadata'] == {'m': '1'} and head['ContentType'] == 'text/x'
    S3.copy_object(Bucket=b, Key='c', CopySource=f'{b}/c', MetadataDirective='REPLACE', Metadata={'n': '2'})
    assert S3.head_object(Bucket=b, Key='c')['Metadata'] == {'n': '2'}
    refused('InvalidRequest', S3.copy_object, Bucket=b, Key='c', CopySource=f'{b}/c')
    refused('NoSuchKey', S3.copy_object, Bucket=b, Key='c', CopySource=f'{b}/absent')
    summed = S3.copy_object(Bucket=b, Key='d', CopySource=f'{b}/c', ChecksumAlgorithm='SHA256')
    digest = base64.b64encode(hashlib.sha256(b'data').digest()).decode()
    assert summed['CopyObjectResult']['ChecksumSHA256'] == digest


def test_listings():
    b = bucket()
    names = [f'{folder}/{number:02}' for folder in 'abc' for number in range(7)] + ['top', 'é\u0001']
    for name in names:
        S3.put_object(Bucket=b, Key=name, Body=b'')
    for operation in ['list_objects', 'list_objects_v2']:
        found = []
        for page in S3.get_paginator(operation).paginate(Bucket=b, PaginationConfig={'PageSize': 4}):
            found += [entry['Key'] for entry in page.get('Contents', [])]
        assert found == sorted(names, key=lambda name: name.encode()), (operation, found)
        folded = []
        for page in S3.get_paginator(operation).paginate(Bucket=b, Delimiter='/', PaginationConfig={'PageSize': 1}):
            folded += [entry['Prefix'] for entry in page.get('CommonPrefixes', [])]
            folded += [entry['Key'] for entry in page.get('Contents', [])]
        assert folded == ['a/', 'b/', 'c/', 'top', 'é\u0001'], (operation, folded)
    page = S3.list_objects_v2(Bucket=b, Prefix='b/', StartAfter='b/03', MaxKeys=2)
    assert [entry['Key'] for entry in page['Contents']] == ['b/04', 'b/05'] and page['IsTruncated'] and page['KeyCount'] == 2
    assert S3.list_objects_v2(Bucket=b, MaxKeys=0)['KeyCount'] == 0
    versions = S3.list_object_versions(Bucket=b, Prefix='a/')['Versions']
    assert len(versions) == 7 and versions[0]['VersionId'] == 'null' and versions[0]['IsLatest']
    S3.delete_object(Bucket=b, Key='a/00', VersionId='null')
    assert len(S3.list_objects(Bucket=b, Prefix='a/')['Contents']) == 6


def test_deleting_many():
    b = bucket()
    keys = [f'k{number}' for number in range(120)] + [' x ', '<&>', 'ü']
    for key in keys:
        S3.put_object(Bucket=b, Key=key, Body=b'')
    done = S3.delete_objects(Bucket=b, Delete={'Objects': [{'Key': key} for key in [*keys, 'absent']]})
    assert len(done['Deleted']) == len(keys) + 1 and 'Errors' not in done
    assert 'Contents' not in S3.list_objects_v2(Bucket=b)
    assert 'Deleted' not in S3.delete_objects(Bucket=b, Delete={'Objects': [{'Key': 'x'}], 'Quiet': True})


def test_buckets():
    b = bucket()
    assert b in [entry['Name'] for entry in S3.list_buckets()['Buckets']]
    S3.head_bucket(Bucket=b)
    assert S3.get_bucket_location(Bucket=b)['LocationConstraint'] is None
    refused('404', S3.head_bucket, Bucket=f'{b}-absent')
    refused('NoSuchBucket', S3.list_objects_v2, Bucket=f'{b}-absent')
    refused('BucketAlreadyExists', STRANGER.create_bucket, Bucket=b)
    refused('403', STRANGER.head_bucket, Bucket=b)
    refused('AccessDenied', STRANGER.list_objects_v2, Bucket=b)
    S3.put_object(Bucket=b, Key='k', Body=b'')
    refused('BucketNotEmpty', S3.delete_bucket, Bucket=b)
    S3.delete_object(Bucket=b, Key='k')
    S3.delete_bucket(Bucket=b)
    refused('NoSuchBucket', S3.delete_bucket, Bucket=b)


def test_configurations_are_absent():
    b = bucket()
    assert 'Status' not in S3.get_bucket_versioning(Bucket=b)
    assert S3.get_bucket_acl(Bucket=b)['Grants'][0]['Permission'] == 'FULL_CONTROL'
    assert S3.get_bucket_request_payment(Bucket=b)['Payer'] == 'BucketOwner'
    refused('NoSuchBucketPolicy', S3.get_bucket_policy, Bucket=b)
    refused('NoSuchTagSet', S3.get_bucket_tagging, Bucket=b)
    refused('NoSuchCORSConfiguration', S3.get_bucket_cors, Bucket=b)
    refused('NoSuchLifecycleConfiguration', S3.get_bucket_lifecycle_configuration, Bucket=b)
    refused('NotImplemented', S3.put_object, Bucket=b, Key='k', Body=b'', ServerSideEncryption='aws:kms:dsse')
    S3.put_object(Bucket=b, Key='k', Body=b'')
    assert S3.get_object_tagging(Bucket=b, Key='k')['TagSet'] == []
    assert S3.get_object_acl(Bucket=b, Key='k')['Grants'][0]['Permission'] == 'FULL_CONTROL'


def test_presigned():
    b = bucket()
    url = S3.generate_presigned_url('put_object', {'Bucket': b, 'Key': 'a b+ü', 'ContentType': 'text/x'})
    fetch(url, b'up', 'PUT', {'Content-Type': 'text/x'})
    url = S3.generate_presigned_url('get_object', {'Bucket': b, 'Key': 'a b+ü', 'ResponseContentType': 'text/html; x="ü"'})
    data, response = fetch(url)
    assert data == b'up' and response.headers['Content-Type'].startswith('text/html')
    try:
        fetch(url.replace('a%20b', 'a%20c'))
        raise AssertionError('another key')
    except urllib.error.HTTPError as error:
        assert error.code == 403
    upload = S3.create_multipart_upload(Bucket=b, Key='m')['UploadId']
    part = S3.generate_presigned_url('upload_part', {'Bucket': b, 'Key': 'm', 'UploadId': upload, 'PartNumber': 1})
    _, response = fetch(part, b'part', 'PUT')
    S3.complete_multipart_upload(Bucket=b, Key='m', UploadId=upload, MultipartUpload={'Parts': [{'PartNumber': 1, 'ETag': response.headers['ETag']}]})
    assert body(S3.get_object(Bucket=b, Key='m')) == b'part'


def test_tags():
    b = bucket()
    S3.put_bucket_tagging(Bucket=b, Tagging={'TagSet': [{'Key': 'Hello', 'Value': 'World'}]})
    assert S3.get_bucket_tagging(Bucket=b)['TagSet'] == [{'Key': 'Hello', 'Value': 'World'}]
    S3.delete_bucket_tagging(Bucket=b)
    refused('NoSuchTagSet', S3.get_bucket_tagging, Bucket=b)
    S3.put_object(Bucket=b, Key='k', Body=b'x', Tagging='a=1&b=%20+%2B')
    assert S3.get_object_tagging(Bucket=b, Key='k')['TagSet'] == [{'Key': 'a', 'Value': '1'}, {'Key': 'b', 'Value': '  +'}]
    assert S3.get_object(Bucket=b, Key='k')['TagCount'] == 2
    S3.put_object_tagging(Bucket=b, Key='k', Tagging={'TagSet': [{'Key': 'ä', 'Value': 'ö'}]})
    assert S3.get_object_tagging(Bucket=b, Key='k')['TagSet'] == [{'Key': 'ä', 'Value': 'ö'}]
    S3.delete_object_tagging(Bucket=b, Key='k')
    assert S3.get_object_tagging(Bucket=b, Key='k')['TagSet'] == []
    eleven = [{'Key': str(i), 'Value': ''} for i in range(11)]
    refused('BadRequest', S3.put_object_tagging, Bucket=b, Key='k', Tagging={'TagSet': eleven})


def test_object_attributes():
    b = bucket()
    upload = S3.create_multipart_upload(Bucket=b, Key='m', ChecksumAlgorithm='SHA256')['UploadId']
    parts = []
    for number, data in ((1, b'a' * 5 * 1024 * 1024), (2, b'b')):
        part = S3.upload_part(Bucket=b, Key='m', UploadId=upload, PartNumber=number, Body=data, ChecksumAlgorithm='SHA256')
        parts.append({'PartNumber': number, 'ETag': part['ETag'], 'ChecksumSHA256': part['ChecksumSHA256']})
    S3.complete_multipart_upload(Bucket=b, Key='m', UploadId=upload, MultipartUpload={'Parts': parts})
    names = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize']
    found = S3.get_object_attributes(Bucket=b, Key='m', ObjectAttributes=names)
    assert found['ObjectSize'] == 5 * 1024 * 1024 + 1 and found['StorageClass'] == 'STANDARD'
    assert found['Checksum']['ChecksumType'] == 'COMPOSITE'
    assert found['ObjectParts']['TotalPartsCount'] == 2 and not found['ObjectParts']['IsTruncated']
    sums = [part['ChecksumSHA256'] for part in found['ObjectParts']['Parts']]
    assert sums == [part['ChecksumSHA256'] for part in parts]
    page = S3.get_object_attributes(Bucket=b, Key='m', ObjectAttributes=['ObjectParts'], MaxParts=1)['ObjectParts']
    assert page['IsTruncated'] and page['NextPartNumberMarker'] == 1 and len(page['Parts']) == 1


def test_select():
    b = bucket()
    S3.put_object(Bucket=b, Key='people', Body=b'name,age\n"ann, o\'",31\nbob,9\ncy,77\n')
    csv = {'CSV': {'FileHeaderInfo': 'USE', 'RecordDelimiter': '\n'}, 'CompressionType': 'NONE'}

    def ask(sql, given=csv, wanted={'CSV': {}}, **more):
        answer = S3.select_object_content(Bucket=b, Key='people', ExpressionType='SQL', Expression=sql,
                                          InputSerialization=given, OutputSerialization=wanted, **more)
        events = list(answer['Payload'])
        assert 'End' in events[-1] and 'Stats' in events[-2], events
        text = b''.join(event['Records']['Payload'] for event in events if 'Records' in event).decode()
        return text, events[-2]['Stats']['Details'], events

    text, stats, _ = ask('SELECT s.name FROM S3Object s WHERE CAST(s.age AS INT) > 10')
    assert text == '"ann, o\'"\ncy\n' and stats['BytesReturned'] == len(text), (text, stats)
    assert ask('SELECT COUNT(*) AS n FROM S3Object', wanted={'JSON': {}})[0] == '{"n":3}\n'
    _, _, events = ask('SELECT * FROM S3Object', RequestProgress={'Enabled': True})
    assert any('Progress' in event for event in events), events
    assert ask('SELECT * FROM S3Object', ScanRange={'Start': 20, 'End': 30})[0] == 'bob,9\ncy,77\n'
    refused('ParseSelectMissingFrom', S3.select_object_content, Bucket=b, Key='people', ExpressionType='SQL',
            Expression='SELECT 1', InputSerialization=csv, OutputSerialization={'CSV': {}})
    S3.put_object(Bucket=b, Key='people', Body=b'{"a":1}\n' * 100_000 + b'{"a":')
    lines = {'JSON': {'Type': 'LINES'}}
    try:
        ask('SELECT s.a FROM S3Object s', lines)
        raise AssertionError('an error in the stream was expected')
    except botocore.exceptions.EventStreamError as error:
        assert error.response['Error']['Code'] == 'JSONParsingError', error


def test_cors():
    b = bucket()
    rules = [{'AllowedMethods': ['GET', 'PUT'], 'AllowedOrigins': ['http://*.org'], 'AllowedHeaders': ['*'],
              'ExposeHeaders': ['ETag'], 'MaxAgeSeconds': 60, 'ID': 'one'}]
    S3.put_bucket_cors(Bucket=b, CORSConfiguration={'CORSRules': rules})
    assert S3.get_bucket_cors(Bucket=b)['CORSRules'] == rules
    S3.delete_bucket_cors(Bucket=b)
    refused('NoSuchCORSConfiguration', S3.get_bucket_cors, Bucket=b)


def test_signature_version_2():
    b = bucket()
    old = client(signature_version='s3')
    old.put_object(Bucket=b, Key='a b+ü', Body=b'old', ContentType='text/x', Metadata={'a': '1', 'b': 'x  y'}, Tagging='t=1')
    assert body(old.get_object(Bucket=b, Key='a b+ü')) == b'old'
    assert old.get_object(Bucket=b, Key='a b+ü', ResponseContentType='a/b; c="d"')['ContentType'] == 'a/b; c="d"'
    assert [each['Key'] for each in old.list_objects_v2(Bucket=b, Prefix='a ')['Contents']] == ['a b+ü']
    assert old.get_object_tagging(Bucket=b, Key='a b+ü')['TagSet'] == [{'Key': 't', 'Value': '1'}]
    old.upload_fileobj(io.BytesIO(b'm' * 6 * 1024 * 1024), b, 'm',
                       Config=TransferConfig(multipart_threshold=5 * 1024 * 1024, multipart_chunksize=5 * 1024 * 1024))
    assert old.head_object(Bucket=b, Key='m')['ContentLength'] == 6 * 1024 * 1024
    old.copy_object(Bucket=b, Key='c', CopySource={'Bucket': b, 'Key': 'a b+ü'})
    old.delete_objects(Bucket=b, Delete={'Objects': [{'Key': 'c'}]})
    url = old.generate_presigned_url('put_object', {'Bucket': b, 'Key': 'p', 'ContentType': 'text/x', 'Metadata': {'q': '1'}})
    assert 'AWSAccessKeyId=' in url
    fetch(url, b'up', 'PUT', {'Content-Type': 'text/x'})
    assert S3.head_object(Bucket=b, Key='p')['Metadata'] == {'q': '1'}
    data, _ = fetch(old.generate_presigned_url('get_object', {'Bucket': b, 'Key': 'p', 'ResponseContentType': 'a/b'}))
    assert data == b'up'
    wrong = client(keys=(os.environ['AWS_ACCESS_KEY_ID'], 'wrong'), signature_version='s3')
    refused('SignatureDoesNotMatch', wrong.get_object, Bucket=b, Key='p')
    refused('AccessDenied', client(keys=(os.environ['STRANGER_ACCESS_KEY_ID'], os.environ['STRANGER_SECRET_ACCESS_KEY']),
                                   signature_version='s3').get_object, Bucket=b, Key='p')


def send_form(post, text):
    lines = []
    for name, value in post['fields'].items():
        lines.append(f'--frontier\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n')
    lines.append('--frontier\r\nContent-Disposition: form-data; name="file"; filename="f.txt"\r\n\r\n' + text)
    form = ''.join(lines) + '\r\n--frontier--\r\n'
    _, response = fetch(post['url'], form.encode(), 'POST', {'Content-Type': 'multipart/form-data; boundary=frontier'})
    return response.status


def test_posted_forms():
    b = bucket()
    for version in ('s3v4', 's3'):
        post = client(signature_version=version).generate_presigned_post(
            b, 'dir/${filename}', Fields={'acl': 'private'}, Conditions=[{'acl': 'private'}, ['content-length-range', 1, 100]])
        assert send_form(post, version) == 204
        assert body(S3.get_object(Bucket=b, Key='dir/f.txt')) == version.encode()


def test_virtual_hosts():
    try:
        import socket
        socket.getaddrinfo('x.s3.localhost', 80)
    except OSError:
        return
    s3 = client('virtual')
    name = f'boto-{os.getpid()}-virtual'
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key='a/b', Body=b'v')
    assert body(s3.get_object(Bucket=name, Key='a/b')) == b'v'
    assert [entry['Key'] for entry in S3.list_objects_v2(Bucket=name)['Contents']] == ['a/b']


def test_wrong_keys():
    b = bucket()
    key = os.environ['AWS_ACCESS_KEY_ID']
    refused('SignatureDoesNotMatch', client(keys=(key, 'x')).list_objects_v2, Bucket=b)
    refused('InvalidAccessKeyId', client(keys=('NOBODY', 'x')).list_objects_v2, Bucket=b)
    anonymous = client(signature_version=botocore.UNSIGNED)
    refused('AccessDenied', anonymous.list_objects_v2, Bucket=b)
    S3.put_bucket_ownership_controls(Bucket=b, OwnershipControls={'Rules': [{'ObjectOwnership': 'ObjectWriter'}]})
    S3.put_bucket_acl(Bucket=b, ACL='public-read')
    assert anonymous.list_objects_v2(Bucket=b)['KeyCount'] == 0


def other(service, **keys):
    keys = keys or {'aws_access_key_id': os.environ['AWS_ACCESS_KEY_ID'],
                    'aws_secret_access_key': os.environ['AWS_SECRET_ACCESS_KEY']}
    return boto3.client(service, endpoint_url=ENDPOINT, config=Config(retries={'total_max_attempts': 1}), **keys)


def session(credentials):
    return {'aws_access_key_id': credentials['AccessKeyId'], 'aws_secret_access_key': credentials['SecretAccessKey'],
            'aws_session_token': credentials['SessionToken']}


def test_temporary_keys():
    b = bucket()
    S3.put_object(Bucket=b, Key='k', Body=b'v')
    sts = other('sts')
    assert sts.get_caller_identity()['Arn'].endswith(':user/tester')
    policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}'
    done = sts.assume_role(RoleArn='arn:aws:iam::test:role/reader', RoleSessionName='boto', Policy=policy)
    s3 = other('s3', **session(done['Credentials']))
    assert body(s3.get_object(Bucket=b, Key='k')) == b'v'
    refused('AccessDenied', s3.put_object, Bucket=b, Key='k', Body=b'x')
    url = s3.generate_presigned_url('get_object', Params={'Bucket': b, 'Key': 'k'})
    assert fetch(url)[0] == b'v', url
    whole = other('s3', **session(sts.get_session_token()['Credentials']))
    whole.put_object(Bucket=b, Key='k', Body=b'w')
    for version in ('s3v4', 's3'):
        config = Config(signature_version=version, retries={'total_max_attempts': 1})
        s3 = boto3.client('s3', endpoint_url=ENDPOINT, config=config, **session(sts.get_session_token()['Credentials']))
        assert body(s3.get_object(Bucket=b, Key='k')) == b'w', version
        assert send_form(s3.generate_presigned_post(b, 'form'), version) == 204
        assert body(S3.get_object(Bucket=b, Key='form')) == version.encode()
    refused('NotImplemented', sts.assume_role_with_web_identity, RoleArn='arn:aws:iam::test:role/reader',
            RoleSessionName='boto', WebIdentityToken='token')


def test_users():
    iam = other('iam')
    name = f'boto-{os.getpid()}'
    iam.create_user(UserName=name)
    assert name in [user['UserName'] for page in iam.get_paginator('list_users').paginate() for user in page['Users']]
    document = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
    iam.put_user_policy(UserName=name, PolicyName='all', PolicyDocument=document)
    assert iam.get_user_policy(UserName=name, PolicyName='all')['PolicyDocument']['Version'] == '2012-10-17'
    key = iam.create_access_key(UserName=name)['AccessKey']
    s3 = client(keys=(key['AccessKeyId'], key['SecretAccessKey']))
    b = bucket()
    s3.put_object(Bucket=b, Key='k', Body=b'v')
    iam.update_access_key(UserName=name, AccessKeyId=key['AccessKeyId'], Status='Inactive')
    refused('InvalidAccessKeyId', s3.list_objects_v2, Bucket=b)
    assert iam.list_access_keys(UserName=name)['AccessKeyMetadata'][0]['Status'] == 'Inactive'
    refused('DeleteConflict', iam.delete_user, UserName=name)
    iam.delete_access_key(UserName=name, AccessKeyId=key['AccessKeyId'])
    iam.delete_user_policy(UserName=name, PolicyName='all')
    iam.delete_user(UserName=name)
    refused('NoSuchEntity', iam.get_user, UserName=name)


def main():
    failures = 0
    for name, test in list(globals().items()):
        if not name.startswith('test_'):
            continue
        try:
            test()
            print(f'ok {name[5:].replace("_", " ")}', flush=True)
        except Exception as error:  # noqa: BLE001
            failures += 1
            where = traceback.extract_tb(sys.exc_info()[2])
            line = next((frame.lineno for frame in where if frame.filename == __file__ and frame.name.startswith('test_')), 0)
            print(f'not ok {name[5:].replace("_", " ")}: line {line}: {type(error).__name__}: {error}'.replace('\n', ' '), flush=True)
    sys.exit(1 if failures else 0)


main()
