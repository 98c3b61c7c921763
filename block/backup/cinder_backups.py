# Writes backups with Debian's own Cinder code: python3 cinder_backups.py DIRECTORY ALGORITHM BLOCK_BYTES OBJECT_BYTES FILE...
# The first file is backed up whole, each further one as an incremental backup on the one before. Prints their ids.
import sys
import uuid

from oslo_config import cfg

directory, algorithm, block_bytes, object_bytes = sys.argv[1:5]
files = sys.argv[5:]

from cinder import context, objects  # noqa: E402
from cinder.backup import chunkeddriver  # noqa: E402
from cinder.backup.drivers import posix  # noqa: E402
from cinder.volume import volume_utils  # noqa: E402

CONF = cfg.CONF
CONF([], project='cinder', default_config_files=[])
CONF.set_override('connection', 'sqlite://', group='database')
CONF.set_override('backup_compression_algorithm', algorithm)
CONF.set_override('backup_posix_path', directory)
CONF.set_override('backup_file_size', int(object_bytes))
CONF.set_override('backup_sha_block_size_bytes', int(block_bytes))


class Backup(dict):
    """As much of a row as the driver looks at."""

    def __getattr__(self, name):
        return self[name]

    def __setattr__(self, name, value):
        self[name] = value

    def save(self):
        pass

    refresh = save

    def as_read_deleted(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


class Db:
    def volume_get(self, _context, _id):
        return {'size': 1}


ids = {}
volume = str(uuid.uuid4())
objects.register_all()
objects.Backup.get_by_id = staticmethod(lambda _context, id: ids[id])
volume_utils.notify_about_backup_usage = lambda *_args, **_more: None
parent = None
for file in files:
    driver = posix.PosixBackupDriver(context.get_admin_context())
    driver.db = Db()
    backup = Backup(
        id=str(uuid.uuid4()), volume_id=volume, container='backups', parent_id=parent, size=1, status='creating',
        display_name='of %s' % file.rsplit('/', 1)[-1], display_description=None, service_metadata=None,
        created_at='2026-01-02 03:04:%02d' % len(ids), object_count=0, temp_volume_id=None, temp_snapshot_id=None)
    ids[backup.id] = backup
    with open(file, 'rb') as handle:
        driver.backup(backup, handle, backup_metadata=False)
    parent = backup.id
    print(backup.id, flush=True)
