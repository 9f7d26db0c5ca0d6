// The address names the view, so that a link or the back button leads to it.

export interface Place {
  test: number | null;
  tab: string;
  event: number | null;
}

export function read(tests: number): Place {
  const found = /^#test-(\d+)(?:\/([a-z]+))?(?:\/(\d+))?$/.exec(location.hash);
  const test = found && Number(found[1]) < tests ? Number(found[1]) : null;
  return { test, tab: found?.[2] ?? "timeline", event: found?.[3] ? Number(found[3]) : null };
}

export function address(test: number, tab = "timeline", event: number | null = null): string {
  return `#test-${test}/${tab}${event === null ? "" : `/${event}`}`;
}
