// The gateways: numbers, a table, a switch, their settings.

import { useState, type FormEvent } from "react";
import { Button, Switch } from "react-aria-components";
import { Link } from "react-router";
import { ask } from "../api";
import { Confirm, type Question } from "../confirm";
import { moment } from "../format";
import { useObjects } from "../live";
import { Actions } from "../menu";
import { useNotices } from "../notices";
import { useOperations } from "../operations";
import { Empty, Field, Figure, Figures, Loading, Page, Refusal, Status, Window } from "../parts";
import { usePreferences, useTexts } from "../preferences";
import { Table, type Column } from "../table";
import type { Gateway } from "../types";

interface Done {
  message: string;
}

export default function Gateways() {
  const t = useTexts();
  const { language } = usePreferences();
  const { act } = useNotices();
  const { has } = useOperations();
  const gateways = useObjects("gateway");
  const [configured, setConfigured] = useState<Gateway | null>(null);
  const [question, setQuestion] = useState<Question | null>(null);
  if (!gateways) return <Page title={t.places.gateways}><Loading /></Page>;
  const all = [...gateways.values()];
  const online = all.filter((each) => each.status === "Online").length;
  const toggles = has("POST", "/api/v1/gateways/{id}/toggle");
  const toggle = (gateway: Gateway) => act(async () => (await ask<Done>("POST", `/api/v1/gateways/${gateway.id}/toggle`, { enabled: gateway.enabled === false })).message);
  const remove = (gateway: Gateway) => act(async () => (await ask<Done>("DELETE", `/api/v1/gateways/${gateway.id}`)).message);
  const columns: (Column<Gateway> | false)[] = [
    { key: "name", title: t.name, by: (each) => each.name, width: "minmax(8rem, 1.5fr)", cell: (each) => each.name },
    { key: "status", title: t.status, by: (each) => each.status, width: "minmax(5.5rem, 1fr)", cell: (each) => <Status phase={each.status} /> },
    { key: "endpoint", title: t.endpoint, by: (each) => each.endpoint ?? "", width: "minmax(9rem, 1.2fr)", from: "medium", cell: (each) => <code>{each.endpoint ?? "–"}</code> },
    { key: "devices", title: t.connectedDevices, by: (each) => each.connected_devices, width: "minmax(8rem, 1fr)", from: "medium", cell: (each) => <Link to={`/devices?search=${each.id}`}>{each.capacity !== null ? `${each.connected_devices} / ${each.capacity}` : each.connected_devices}</Link> },
    { key: "seen", title: t.lastHeartbeat, by: (each) => each.last_seen ?? "", width: "minmax(12.5rem, 1.2fr)", from: "wide", cell: (each) => moment(each.last_seen, language) },
    toggles && {
      key: "enabled", title: t.enabled, width: "4rem",
      cell: (each) => (
        <Switch className="switch" aria-label={t.enabledOf(each.name)} isSelected={each.enabled !== false} onChange={() => void toggle(each)}>
          <span className="track" />
        </Switch>
      ),
    },
    {
      key: "actions", title: t.actions, width: "4.5rem",
      cell: (each) => (
        <Actions label={t.actionsOf(each.name)} actions={() => [
          { key: "configure", title: t.configure, run: () => setConfigured(each) },
          { key: "delete", title: t.delete, danger: true, run: () => setQuestion({ title: t.deleteTitle(each.name), text: t.deleteGatewayText, verb: t.delete, run: () => remove(each) }) },
        ]} />
      ),
    },
  ];
  return (
    <Page title={t.places.gateways} lead={t.gatewaysLead}>
      <Figures>
        <Figure label={t.total} value={all.length} />
        <Figure label="Online" value={online} tone={online ? "good" : undefined} />
        <Figure label="Offline" value={all.length - online} tone={all.length - online ? "warn" : undefined} />
        <Figure label={t.connectedDevices} value={all.reduce((sum, each) => sum + each.connected_devices, 0)} />
      </Figures>
      <Table
        label={t.places.gateways} columns={columns.filter((each) => each !== false)} rows={all} rowKey={(each) => each.id} sortedBy="name"
        empty={<Empty title={t.noGateways}><p>{t.noGatewaysText}</p><code>wasmbed gateway --help</code></Empty>}
      />
      <Window title={configured ? t.configureOf(configured.name) : ""} open={configured !== null} close={() => setConfigured(null)}>
        {configured && <Settings gateway={configured} close={() => setConfigured(null)} />}
      </Window>
      <Confirm question={question} close={() => setQuestion(null)} />
    </Page>
  );
}

const TIMES = ["heartbeatInterval", "connectionTimeout", "enrollmentTimeout"] as const;

function Settings({ gateway, close }: { gateway: Gateway; close: () => void }) {
  const t = useTexts();
  const { takes } = useOperations();
  const { say } = useNotices();
  const [capacity, setCapacity] = useState(gateway.capacity === null ? "" : String(gateway.capacity));
  const [times, setTimes] = useState<Record<string, string>>(() => Object.fromEntries(TIMES.map((each) => [each, String(gateway.config?.[each] ?? "")])));
  const [error, setError] = useState<unknown>(null);
  const timed = takes("GatewayChange", "config");
  async function submit(event: FormEvent) {
    event.preventDefault();
    try {
      const config = Object.fromEntries(TIMES.filter((each) => times[each]).map((each) => [each, times[each]]));
      const body = { capacity: capacity ? Number(capacity) : null, ...(timed && Object.keys(config).length > 0 && { config }) };
      await ask("PATCH", `/api/v1/gateways/${gateway.id}`, body);
      say(t.saved);
      close();
    } catch (caught) {
      setError(caught);
    }
  }
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Field label={t.capacity} help={t.capacityHelp}>
        {(id, help) => <input id={id} aria-describedby={help} type="number" min={0} max={1_000_000} value={capacity} onChange={(event) => setCapacity(event.target.value)} />}
      </Field>
      {timed && TIMES.map((each) => (
        <Field key={each} label={t.times[each]}>
          {(id) => <input id={id} placeholder="30s" value={times[each]} onChange={(event) => setTimes({ ...times, [each]: event.target.value })} />}
        </Field>
      ))}
      {error !== null && <Refusal error={error} />}
      <div className="buttons">
        <Button className="button" onPress={close}>{t.cancel}</Button>
        <Button type="submit" className="button primary">{t.save}</Button>
      </div>
    </form>
  );
}
