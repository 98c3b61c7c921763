/** What an operator may set, and what holds otherwise. */
export interface CinderSettings {
  /** Of hosts without one of their own. */
  readonly zone: string;
  readonly backendName: string;
  /** GiB promised for each GiB of disk: files are sparse. */
  readonly overSubscription: number;
  /** Of a disk, that no volume may be promised. */
  readonly reservedPercent: number;
  /** Of the object store, for people: where backups lie. */
  readonly container: string;
  /** Quotas of a project, by Cinder's names; -1 is unlimited. */
  readonly quotas: Readonly<Record<string, number>>;
  /** Name of the group type that `GET /group_types/default` shows. */
  readonly defaultGroupType: string | null;
  /** How long a task goes on trying to reach a host. */
  readonly hostPatienceMs: number;
}

export const SETTINGS_DEFAULT: CinderSettings = {
  zone: 'nova',
  backendName: 'local',
  overSubscription: 20,
  reservedPercent: 0,
  container: 'volume-snapshots',
  quotas: {
    volumes: 10,
    per_volume_gigabytes: -1,
    snapshots: 10,
    gigabytes: 1000,
    backups: 10,
    backup_gigabytes: 1000,
    groups: 10,
  },
  defaultGroupType: null,
  hostPatienceMs: 60_000,
};
