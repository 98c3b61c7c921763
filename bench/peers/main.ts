export const PEERS_HELP = '';
export async function peers(_args: readonly string[]): Promise<boolean> {
  return true;
}
