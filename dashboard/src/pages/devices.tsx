// The devices: numbers, a table with filters, and what can be done with each.

import { useState } from "react";
import { Button } from "react-aria-components";
import { Link, useSearchParams } from "react-router";
import { Confirm, type Question } from "../confirm";
import { CreateDevices, KeyWindow, Tokens, type Awaited } from "../device_windows";
import { useDeviceActions } from "../device_actions";
import { moment } from "../format";
import { useObjects } from "../live";
import { Actions } from "../menu";
import { Empty, Figure, Figures, Loading, Page, Status } from "../parts";
import { usePreferences, useTexts } from "../preferences";
import { Table, type Column } from "../table";
import { DEVICE_PHASES, toneOf } from "../tone";
import type { Device } from "../types";

export default function Devices() {
  const t = useTexts();
  const { language } = usePreferences();
  const devices = useObjects("device");
  const [query, setQuery] = useSearchParams();
  const [key, setKey] = useState<Device | null>(null);
  const [tokens, setTokens] = useState<Awaited[] | null>(null);
  const [question, setQuestion] = useState<Question | null>(null);
  const actionsOf = useDeviceActions(setTokens, setQuestion, setKey);
  const phase = query.get("status") ?? "";
  const words = query.get("search") ?? "";
  const set = (name: string, value: string | null) =>
    setQuery((before) => {
      const next = new URLSearchParams(before);
      if (value === null) next.delete(name);
      else next.set(name, value);
      return next;
    }, { replace: true });
  if (!devices) return <Page title={t.places.devices}><Loading /></Page>;
  const all = [...devices.values()];
  const count = (wanted: string) => all.filter((each) => each.status === wanted).length;
  const needle = words.trim().toLowerCase();
  const rows = all.filter((each) => (!phase || each.status === phase) && (!needle || textOf(each).includes(needle)));
  const columns: Column<Device>[] = [
    { key: "name", title: t.name, by: (each) => each.name, width: "minmax(8rem, 2fr)", cell: (each) => <Link to={`/devices/${each.id}`}>{each.name}</Link> },
    { key: "status", title: t.status, by: (each) => each.status, width: "minmax(8.6rem, 1fr)", cell: (each) => <Status phase={each.status} /> },
    { key: "architecture", title: t.architecture, by: (each) => each.architecture ?? "", width: "minmax(6rem, 1fr)", from: "wide", cell: (each) => each.architecture ?? "–" },
    { key: "mcu", title: t.mcu, by: (each) => each.mcuType ?? each.type ?? "", width: "minmax(6rem, 1fr)", from: "wide", cell: (each) => each.mcuType ?? each.type ?? "–" },
    { key: "gateway", title: t.gateway, by: (each) => each.gateway ?? "", width: "minmax(7rem, 1fr)", from: "medium", cell: (each) => each.gateway ?? "–" },
    { key: "heartbeat", title: t.lastHeartbeat, by: (each) => each.lastHeartbeat ?? "", width: "minmax(12.5rem, 1.2fr)", from: "wide", cell: (each) => moment(each.lastHeartbeat, language) },
    { key: "applications", title: t.places.applications, by: (each) => Object.keys(each.applications).length, width: "minmax(6.5rem, .7fr)", from: "medium", cell: (each) => Object.keys(each.applications).length },
    { key: "actions", title: t.actions, width: "4.5rem", cell: (each) => <Actions label={t.actionsOf(each.name)} actions={() => actionsOf(each)} /> },
  ];
  return (
    <Page title={t.places.devices} lead={t.devicesLead} actions={<Button className="button primary" onPress={() => set("create", "")}>{t.createDevices}</Button>}>
      <Figures>
        <Figure label={t.total} value={all.length} />
        {DEVICE_PHASES.map((each) => <Figure key={each} label={each} value={count(each)} tone={count(each) ? toneOf(each) : undefined} />)}
      </Figures>
      <div className="controls" role="search">
        <input type="search" aria-label={t.search} placeholder={t.search} value={words} onChange={(event) => set("search", event.target.value || null)} />
        <select aria-label={t.status} value={phase} onChange={(event) => set("status", event.target.value || null)}>
          <option value="">{t.anyStatus}</option>
          {DEVICE_PHASES.map((each) => <option key={each}>{each}</option>)}
        </select>
        <p className="quiet" role="status">{t.shown(rows.length, all.length)}</p>
      </div>
      <Table
        label={t.places.devices} columns={columns} rows={rows} rowKey={(each) => each.id} sortedBy="name"
        empty={all.length === 0 ? <Empty title={t.noDevices}><p>{t.noDevicesText}</p></Empty> : <Empty title={t.noneFits} />}
      />
      <CreateDevices open={query.has("create")} close={() => set("create", null)} made={setTokens} />
      <Tokens awaited={tokens} close={() => setTokens(null)} />
      <KeyWindow device={key} close={() => setKey(null)} />
      <Confirm question={question} close={() => setQuestion(null)} />
    </Page>
  );
}

function textOf(device: Device): string {
  const labels = Object.entries(device.labels).map(([label, value]) => `${label}=${value}`);
  return [device.name, device.gateway, device.architecture, device.mcuType, device.type, ...labels, ...Object.keys(device.applications)].join(" ").toLowerCase();
}
