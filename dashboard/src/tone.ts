// Which colour a phase has. The word itself is always beside the colour.

export type Tone = "good" | "busy" | "idle" | "warn" | "bad";

const TONES: Record<string, Tone> = {
  Connected: "good", Running: "good", Online: "good", Deployed: "good", healthy: "good", ok: "good",
  Enrolled: "busy", Enrolling: "busy", Deploying: "busy", Creating: "busy", Starting: "busy",
  Pending: "idle", Stopped: "idle", Stopping: "idle", Deleting: "idle", Unknown: "idle",
  Disconnected: "warn", Unreachable: "warn", PartiallyRunning: "warn", Offline: "warn", degraded: "warn", warning: "warn",
  Failed: "bad", Error: "bad", unhealthy: "bad", error: "bad",
};

export function toneOf(phase: string): Tone {
  return TONES[phase] ?? "idle";
}

export const DEVICE_PHASES = ["Connected", "Enrolled", "Enrolling", "Pending", "Disconnected", "Unreachable"] as const;
export const APPLICATION_PHASES = ["Running", "PartiallyRunning", "Deploying", "Creating", "Pending", "Stopped", "Failed"] as const;
export const GATEWAY_PHASES = ["Online", "Pending", "Offline"] as const;
