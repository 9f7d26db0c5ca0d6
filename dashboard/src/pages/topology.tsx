// The platform as three levels: the API server, its gateways, their devices. Devices are dots on a canvas, so that
// thousands stay smooth; the table below says the same in numbers.

import { useEffect, useMemo, useRef, useState, type PointerEvent } from "react";
import { Link, useNavigate } from "react-router";
import { useConnection, useObjects } from "../live";
import { Card, Empty, Loading, Page, Status } from "../parts";
import { useTexts } from "../preferences";
import { draw, find, place, type Dot, type Picture } from "../topology";
import { DEVICE_PHASES } from "../tone";

export default function Topology() {
  const t = useTexts();
  const devices = useObjects("device");
  const gateways = useObjects("gateway");
  if (!devices || !gateways) return <Page title={t.places.topology}><Loading /></Page>;
  const groups = [...gateways.values()].map((gateway) => ({
    name: gateway.name,
    status: gateway.status as string | null,
    devices: [...devices.values()].filter((each) => each.gateway === gateway.id),
  }));
  const others = [...devices.values()].filter((each) => !each.gateway || !gateways.has(each.gateway));
  if (others.length) groups.push({ name: t.withoutGateway, status: null, devices: others });
  return (
    <Page title={t.places.topology} lead={t.topologyLead}>
      {groups.length === 0 ? <Card><Empty title={t.nothingYet} /></Card> : <Map groups={groups} />}
      <div className="wide-content card">
        <table>
          <caption className="quiet">{t.connections}</caption>
          <thead><tr><th scope="col">{t.gateway}</th><th scope="col">{t.status}</th><th scope="col">{t.total}</th>{DEVICE_PHASES.map((each) => <th scope="col" key={each}>{each}</th>)}</tr></thead>
          <tbody>
            {groups.map((group) => (
              <tr key={group.name}>
                <th scope="row">{group.status ? <Link to={`/devices?search=${group.name}`}>{group.name}</Link> : group.name}</th>
                <td>{group.status ? <Status phase={group.status} /> : "–"}</td>
                <td>{group.devices.length}</td>
                {DEVICE_PHASES.map((phase) => <td key={phase}>{group.devices.filter((each) => each.status === phase).length}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Page>
  );
}

function Map({ groups }: { groups: Parameters<typeof place>[0] }) {
  const t = useTexts();
  const navigate = useNavigate();
  const { state } = useConnection();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [tip, setTip] = useState<Dot | null>(null);
  const picture: Picture = useMemo(() => place(groups, width, "API server"), [groups, width]);
  useEffect(() => {
    const box = canvas.current?.parentElement;
    if (!box) return;
    const observer = new ResizeObserver(([entry]) => setWidth(entry?.contentRect.width ?? 0));
    observer.observe(box);
    return () => observer.disconnect();
  }, []);
  const [scheme, setScheme] = useState(0);
  useEffect(() => {
    const again = () => setScheme((before) => before + 1);
    const observer = new MutationObserver(again);
    observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", again);
    return () => (observer.disconnect(), dark.removeEventListener("change", again));
  }, []);
  useEffect(() => {
    if (canvas.current && width) draw(canvas.current, picture, width, state === "live");
  }, [picture, width, state, scheme]);
  const under = (event: PointerEvent) => find(picture, event.nativeEvent.offsetX, event.nativeEvent.offsetY);
  const total = groups.reduce((sum, each) => sum + each.devices.length, 0);
  return (
    <div className="card map">
      <div className="map-box" style={{ height: picture.height }}>
        <canvas
          ref={canvas} role="img" aria-label={t.mapOf(groups.filter((each) => each.status).length, total)}
          onPointerMove={(event) => setTip(under(event))} onPointerLeave={() => setTip(null)}
          onPointerUp={(event) => { const dot = under(event); if (dot) void navigate(`/devices/${dot.device.id}`); }}
          style={{ cursor: tip ? "pointer" : "default" }}
        />
        {tip && <div className="tip" style={{ left: Math.min(tip.x + 12, width - 170), top: tip.y + 12 }}>{tip.device.name}<br /><Status phase={tip.device.status} /></div>}
      </div>
      <p className="legend">{DEVICE_PHASES.map((each) => <Status key={each} phase={each} />)}</p>
    </div>
  );
}
