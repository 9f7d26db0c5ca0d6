// Resources as the REST API shows them: harness/wasmbed/api/shapes.py.

export interface Device {
  id: string;
  name: string;
  deviceId: string | null;
  type: string | null;
  architecture: string | null;
  mcuType: string | null;
  status: string;
  health: string | null;
  gateway: string | null;
  preferredGateway: string | null;
  /** Whether its gateway keeps it away. */
  suspended?: boolean;
  /** The board of an emulator manager that it asks for. */
  board?: { kind: string; running: boolean; phase: string | null; host: string | null; restarts: number; lastExit: string | null } | null;
  connectedSince: string | null;
  lastHeartbeat: string | null;
  publicKey: string | null;
  firmwareVersion: string | null;
  capabilities: string[];
  labels: Record<string, string>;
  applications: Record<string, string>;
  metrics: Record<string, unknown>;
  error: string | null;
  resourceVersion: string;
}

export interface Application {
  app_id: string;
  name: string;
  description?: string | null;
  status: string;
  health: string | null;
  stopped: boolean;
  module: string | null;
  target_devices: string[] | null;
  selector: Record<string, string> | null;
  all_devices: boolean;
  deployed_devices: string[];
  devices: Record<string, string>;
  config: Record<string, unknown>;
  statistics: {
    target_count: number;
    running_devices: number;
    deployed_count: number;
    failed_devices: number;
    unknown_devices: number;
    deployment_progress: number;
  };
  created_at: string;
  last_updated: string | null;
  error: string | null;
  retries: number;
  resourceVersion: string;
}

export interface Gateway {
  id: string;
  name: string;
  status: string;
  endpoint: string | null;
  connected_devices: number;
  enrolled_devices: number;
  capacity: number | null;
  last_seen: string | null;
  version: string | null;
  enabled?: boolean;
  config?: Record<string, unknown> | null;
  error: string | null;
  resourceVersion: string;
}

export interface Kinds {
  device: Device;
  application: Application;
  gateway: Gateway;
}

export type Kind = keyof Kinds;

export const KINDS: readonly Kind[] = ["device", "application", "gateway"];

export function nameOf(kind: Kind, found: Kinds[Kind]): string {
  return kind === "application" ? (found as Application).app_id : (found as Device | Gateway).id;
}
