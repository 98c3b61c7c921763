"""Steps of openstacksdk.ts: `openstacksdk_steps.py NAME` runs one as the administrator of OS_*; a trace back means failure."""
import os
import random
import sys
import tempfile

import openstack
from keystoneauth1 import exceptions, loading, session
from keystoneauth1.identity import v3

TAG = os.environ['TAG']
URL = os.environ['OS_AUTH_URL']
CA = os.environ.get('OS_CACERT') or True
WHO = {'username': os.environ['OS_USERNAME'], 'password': os.environ['OS_PASSWORD'], 'user_domain_name': 'Default'}
WHERE = {'project_name': os.environ['OS_PROJECT_NAME'], 'project_domain_name': 'Default'}
REGION = os.environ['OS_REGION_NAME']


def connect(**auth):
    return openstack.connect(
        auth={'auth_url': URL, **(auth or {**WHO, **WHERE})}, region_name=REGION, verify=CA, load_yaml_config=False, load_envvars=False)


def session_of(plugin, **options):
    return session.Session(auth=loading.get_plugin_loader(plugin).load_from_options(auth_url=URL, **options), verify=CA)


def sessions():
    """Every plugin of keystoneauth that has a server's side here, in every scope."""
    user = session_of('password', **WHO, **WHERE)
    user_id, project_id = user.get_user_id(), user.get_project_id()
    scopes = (('password', WHERE), ('v3password', {'project_id': project_id}), ('password', {'domain_name': 'Default'}))
    scopes += (('v3password', {'domain_id': 'default'}), ('password', {'system_scope': 'all'}), ('v3password', {'unscoped': True}))
    for plugin, scope in scopes:
        one = session_of(plugin, **WHO, **scope)
        assert one.get_user_id() == user_id, scope
        access = one.auth.get_access(one)
        assert access.project_scoped == ('project_id' in scope or scope is WHERE), scope
        assert access.domain_scoped == ('domain_id' in scope or 'domain_name' in scope), scope
        assert bool(access.system_scoped) == ('system_scope' in scope), scope
    for plugin in ('token', 'v3token'):
        assert session_of(plugin, token=user.get_token(), project_id=project_id).get_project_id() == project_id
    both = {'auth_methods': ['v3password', 'v3token'], 'token': user.get_token()}
    assert session_of('v3multifactor', **both, **WHO, project_id=project_id).get_user_id() == user_id
    made = user.post(f'{URL}/users/{user_id}/application_credentials', json={'application_credential': {'name': f'k-{TAG}'}})
    robot = made.json()['application_credential']
    secret = {'application_credential_secret': robot['secret']}
    for named in ({'application_credential_id': robot['id']}, {'application_credential_name': robot['name'], 'username': WHO['username'], 'user_domain_name': 'Default'}):
        one = session_of('v3applicationcredential', **secret, **named)
        assert one.get_project_id() == project_id
        assert one.get_endpoint(service_type='object-store', region_name=REGION).endswith(f'AUTH_{project_id}')
    user.delete(f"{URL}/users/{user_id}/application_credentials/{robot['id']}")
    for wrong in ({**WHO, 'password': 'wrong'}, {**WHO, 'username': 'nobody'}):
        try:
            session_of('password', **wrong, **WHERE).get_token()
        except exceptions.Unauthorized:
            continue
        raise AssertionError('a wrong password was taken')
    # A session whose token was revoked logs in again by itself.
    user.delete(f'{URL}/auth/tokens', headers={'X-Subject-Token': user.get_token()})
    assert user.get(f'{URL}/users/{user_id}').status_code == 200


def identity():
    cloud = connect()
    domain = cloud.create_domain(f'd-{TAG}', 'described')
    project = cloud.create_project(f'p-{TAG}', domain_id=domain.id, description='films')
    user = cloud.create_user(f'u-{TAG}', password='secret', email='u@example.org', default_project=project.id, domain_id=domain.id)
    assert (user.email, user.default_project_id) == ('u@example.org', project.id), user
    group = cloud.create_group(f'g-{TAG}', 'crew', domain=domain.id)
    cloud.add_user_to_group(user.id, group.id)
    assert cloud.is_user_in_group(user.id, group.id)
    assert cloud.create_role(f'r-{TAG}').name == f'r-{TAG}'
    assert cloud.grant_role(f'r-{TAG}', group=group.id, project=project.id)
    assert cloud.grant_role('member', user=user.id, project=project.id)
    assert cloud.grant_role('reader', user=user.id, domain=domain.id)
    listed = cloud.list_role_assignments(filters={'user': user.id, 'effective': True})
    assert any(one.scope.get('project', {}).get('id') == project.id for one in listed), listed
    own = connect(username=f'u-{TAG}', password='secret', user_domain_id=domain.id, project_id=project.id)
    assert [one.id for one in own.identity.user_projects(user.id)] == [project.id]
    cloud.update_user(user.id, name=f'w-{TAG}', enabled=True)
    assert cloud.get_user(f'w-{TAG}', domain_id=domain.id).id == user.id
    assert cloud.search_projects(f'p-{TAG}', domain_id=domain.id)[0].id == project.id
    assert cloud.update_project(project.id, domain_id=domain.id, description='other').description == 'other'
    assert cloud.revoke_role('member', user=user.id, project=project.id)
    service = cloud.create_service(f's-{TAG}', type=f't-{TAG}')
    made = cloud.create_endpoint(service.id, public_url='http://h/public', region=REGION)
    assert made[0].url == 'http://h/public'
    assert cloud.delete_endpoint(made[0].id) and cloud.delete_service(service.id)
    identity_id = next(one.id for one in cloud.list_services() if one.type == 'identity')
    cloud.identity.create_registered_limit(service_id=identity_id, resource_name=f'l-{TAG}', default_limit=5)
    limit = next(cloud.identity.registered_limits(resource_name=f'l-{TAG}'))
    cloud.identity.update_registered_limit(limit.id, default_limit=6)
    assert cloud.identity.get_registered_limit(limit.id).default_limit == 6
    cloud.identity.delete_registered_limit(limit.id)
    robot = own.identity.create_application_credential(user.id, f'a-{TAG}')
    assert [one.id for one in own.identity.application_credentials(user.id)] == [robot.id]
    assert cloud.delete_group(group.id) and cloud.delete_user(user.id) and cloud.delete_role(f'r-{TAG}')
    assert cloud.delete_project(project.id)
    cloud.delete_domain(domain.id)
    assert cloud.identity.find_domain(domain.id) is None and cloud.get_user(user.id, domain_id=domain.id) is None


def objects():
    cloud = connect()
    cloud.create_container(TAG, public=True)
    assert cloud.get_container_access(TAG) == 'public'
    cloud.set_container_access(TAG, 'private')
    data = random.Random(1).randbytes((3 << 20) + 5)
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        cloud.object_store.create_object(TAG, 'large', filename=file.name, segment_size=1 << 20, use_slo=True, metadata={'colour': 'blue'})
        cloud.create_object(TAG, 'plain', filename=file.name)
        assert cloud.is_object_stale(TAG, 'plain', file.name) is False
    assert b''.join(cloud.stream_object(TAG, 'large')) == data
    assert cloud.object_store.get_object_metadata('large', TAG).is_static_large_object
    assert cloud.object_store.get_object_metadata('plain', TAG).content_length == len(data)
    cloud.update_object(TAG, 'plain', metadata={'kind': 'film'})
    assert {'large', 'large/000000', 'large/000003', 'plain'} <= {one.name for one in cloud.list_objects(TAG)}
    for one in cloud.list_objects(TAG):
        assert cloud.delete_object(TAG, one.name)
    assert cloud.delete_container(TAG) and cloud.get_container(TAG) is None


def volumes():
    cloud = connect()
    block = cloud.block_storage
    # The cloud layer's own waiting asks every five seconds.
    ready = lambda resource: block.wait_for_status(resource, 'available', interval=0.3, wait=60)
    gone = lambda resource: block.wait_for_delete(resource, interval=0.3, wait=60)
    made = ready(cloud.create_volume(1, wait=False, name=f'v-{TAG}', metadata={'k': 'v'}))
    assert (made.size, made.metadata['k']) == (1, 'v'), made
    moment = ready(cloud.create_volume_snapshot(made.id, name=f's-{TAG}'))
    copy = ready(cloud.create_volume(1, wait=False, name=f'w-{TAG}', snapshot_id=moment.id))
    assert {made.id, copy.id} <= {one.id for one in cloud.list_volumes()}
    kept = ready(cloud.create_volume_backup(made.id, name=f'b-{TAG}'))
    assert cloud.get_volume_backup(kept.id).id == kept.id
    # It may still be filled from its snapshot then.
    block.extend_volume(copy.id, 2)
    ready(block.get_volume(copy.id))
    assert block.get_volume(copy.id).size == 2
    assert cloud.get_volume_limits()['absolute']['totalVolumesUsed'] >= 2
    assert cloud.get_volume_quotas(cloud.current_project_id).volumes != 0
    assert [one.name for one in cloud.list_volume_types()]
    assert list(block.availability_zones())
    for delete, one in ((cloud.delete_volume_backup, kept), (cloud.delete_volume, copy), (cloud.delete_volume_snapshot, moment), (cloud.delete_volume, made)):
        assert delete(one.id, wait=False)
        gone(one)
    assert cloud.get_volume(made.id) is None


{'sessions': sessions, 'identity': identity, 'objects': objects, 'volumes': volumes}[sys.argv[1]]()
