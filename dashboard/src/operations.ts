// The operations of this server, from its OpenAPI document: a button of what it cannot do is not shown.

import { useQuery } from "@tanstack/react-query";
import { get } from "./api";

interface Schema {
  properties?: Record<string, unknown>;
}

interface Document {
  info: { version: string };
  paths: Record<string, Record<string, unknown>>;
  components: { schemas: Record<string, Schema> };
}

export interface Operations {
  version: string;
  has: (method: string, path: string) => boolean;
  /** Whether a body has a field. */
  takes: (body: string, field: string) => boolean;
}

export function useOperations(): Operations {
  const { data } = useQuery({ queryKey: ["openapi"], queryFn: () => get<Document>("/openapi.json") });
  const schemas = data?.components.schemas ?? {};
  return {
    version: data?.info.version ?? "",
    has: (method, path) => data?.paths[path]?.[method.toLowerCase()] !== undefined,
    takes: (body, name) => schemas[body]?.properties?.[name] !== undefined,
  };
}
