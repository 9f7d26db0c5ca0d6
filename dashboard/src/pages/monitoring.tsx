// The platform's state in numbers, and its log.

import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Button } from "react-aria-components";
import { get, send } from "../api";
import { moment } from "../format";
import { useConnection, useObjects } from "../live";
import { Card, Distribution, Empty, Figure, Figures, Loading, Page, Refusal, Status } from "../parts";
import { usePreferences, useTexts } from "../preferences";
import { Table } from "../table";
import { APPLICATION_PHASES, DEVICE_PHASES, GATEWAY_PHASES } from "../tone";

interface Entry {
  id: string;
  timestamp: string;
  level: string;
  component: string;
  message: string;
}

export default function Monitoring() {
  const t = useTexts();
  const { state } = useConnection();
  const devices = useObjects("device");
  const applications = useObjects("application");
  const gateways = useObjects("gateway");
  const ready = useQuery({ queryKey: ["ready", state], queryFn: async () => (await send("/readyz")).ok });
  if (!devices || !applications || !gateways) return <Page title={t.places.monitoring}><Loading /></Page>;
  const phases = (objects: ReadonlyMap<string, { status: string }>) => [...objects.values()].map((each) => each.status);
  const connected = phases(devices).filter((each) => each === "Connected").length;
  return (
    <Page title={t.places.monitoring} lead={t.monitoringLead}>
      <Figures>
        <Figure label={t.apiServer} value={ready.data ? t.ready : ready.error ? t.notReady : "…"} tone={ready.data ? "good" : ready.error ? "bad" : undefined} />
        <Figure label={t.activeConnections} value={connected} />
        <Figure label={t.places.devices} value={devices.size} />
        <Figure label={t.places.applications} value={applications.size} />
        <Figure label={t.places.gateways} value={gateways.size} />
      </Figures>
      <div className="grid">
        <Card title={t.places.devices}><Distribution label={t.places.devices} phases={phases(devices)} order={DEVICE_PHASES} /></Card>
        <Card title={t.places.applications}><Distribution label={t.places.applications} phases={phases(applications)} order={APPLICATION_PHASES} /></Card>
        <Card title={t.places.gateways}><Distribution label={t.places.gateways} phases={phases(gateways)} order={GATEWAY_PHASES} /></Card>
      </div>
      <Logs />
    </Page>
  );
}

const LINES = 1000;
const RANGES = [0, 5, 60, 1440] as const;

function Logs() {
  const t = useTexts();
  const { language } = usePreferences();
  const { data, error, refetch, isFetching } = useQuery({ queryKey: ["logs"], queryFn: async () => (await get<{ logs: Entry[] }>(`/api/v1/logs?limit=${LINES}`)).logs });
  const [level, setLevel] = useState("");
  const [words, setWords] = useState("");
  const [minutes, setMinutes] = useState(0);
  const levels = useMemo(() => [...new Set(data?.map((each) => each.level))].sort(), [data]);
  const since = minutes ? Date.now() - minutes * 60_000 : 0;
  const needle = words.trim().toLowerCase();
  const rows = (data ?? []).map((entry, index) => ({ ...entry, key: `${index}` })).filter((each) =>
    (!level || each.level === level) && (!since || new Date(each.timestamp).getTime() >= since)
    && (!needle || `${each.component} ${each.message}`.toLowerCase().includes(needle)));
  return (
    <>
      <div className="card-head section">
        <h2>{t.logs}</h2>
        <Button className="button" isDisabled={isFetching} onPress={() => void refetch()}>{t.readAgain}</Button>
      </div>
      {error ? <Refusal error={error} /> : !data ? <Loading /> : (
        <>
          <div className="controls" role="search">
            <input type="search" aria-label={t.search} placeholder={t.search} value={words} onChange={(event) => setWords(event.target.value)} />
            <select aria-label={t.level} value={level} onChange={(event) => setLevel(event.target.value)}>
              <option value="">{t.anyLevel}</option>
              {levels.map((each) => <option key={each}>{each}</option>)}
            </select>
            <select aria-label={t.timeRange} value={minutes} onChange={(event) => setMinutes(Number(event.target.value))}>
              {RANGES.map((each) => <option key={each} value={each}>{t.lastMinutes(each)}</option>)}
            </select>
            <p className="quiet" role="status">{t.shown(rows.length, data.length)}</p>
          </div>
          <Table
            label={t.logs} rows={rows} rowKey={(each) => each.key} sortedBy="" empty={<Empty title={data.length ? t.noneFits : t.noLogs} />}
            columns={[
              { key: "time", title: t.time, by: (each) => each.timestamp, width: "13rem", from: "medium", cell: (each) => moment(each.timestamp, language) },
              { key: "level", title: t.level, by: (each) => each.level, width: "7rem", cell: (each) => <Status phase={each.level} /> },
              { key: "component", title: t.component, by: (each) => each.component, width: "10rem", from: "medium", cell: (each) => each.component },
              { key: "message", title: t.message, width: "minmax(10rem, 1fr)", cell: (each) => <span title={each.message}>{each.message}</span> },
            ]}
          />
        </>
      )}
    </>
  );
}
