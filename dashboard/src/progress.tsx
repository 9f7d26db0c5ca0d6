// How far an application is on its devices.

import { useTexts } from "./preferences";
import type { Application } from "./types";

export function Progress({ application }: { application: Application }) {
  const t = useTexts();
  const { target_count: target, running_devices: running, failed_devices: failed, unknown_devices: unknown } = application.statistics;
  const text = t.progress(running, failed, target);
  return (
    <span className="progress">
      <span className="bar" role="img" aria-label={text}>
        {running > 0 && <i data-tone="good" style={{ flexGrow: running }} />}
        {failed > 0 && <i data-tone="bad" style={{ flexGrow: failed }} />}
        {unknown > 0 && <i data-tone="warn" style={{ flexGrow: unknown }} />}
        {target > running + failed + unknown && <i style={{ flexGrow: target - running - failed - unknown, background: "none" }} />}
      </span>
      <span>{running}/{target}</span>
    </span>
  );
}
