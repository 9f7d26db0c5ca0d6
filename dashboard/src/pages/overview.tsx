// The platform at a glance.

import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { get } from "../api";
import { duration, moment } from "../format";
import { useConnection, useObjects } from "../live";
import { useOperations } from "../operations";
import { Card, Distribution, Empty, Figure, Figures, Loading, Page, Refusal } from "../parts";
import { usePreferences, useTexts } from "../preferences";
import { APPLICATION_PHASES, DEVICE_PHASES, GATEWAY_PHASES } from "../tone";

export function Overview() {
  const t = useTexts();
  const devices = useObjects("device");
  const applications = useObjects("application");
  const gateways = useObjects("gateway");
  if (!devices || !applications || !gateways) return <Page title={t.places.overview}><Loading /></Page>;
  const all = [...devices.values()];
  const connected = all.filter((each) => each.status === "Connected").length;
  const running = [...applications.values()].filter((each) => each.status === "Running").length;
  const online = [...gateways.values()].filter((each) => each.status === "Online").length;
  const troubles = [
    ...[...gateways.values()].filter((each) => each.status === "Offline").map((each) => ({ to: "/gateways", text: t.isOffline(each.name) })),
    ...[...applications.values()].filter((each) => each.status === "Failed").map((each) => ({ to: `/applications/${each.app_id}`, text: t.hasFailed(each.name) })),
    ...all.filter((each) => each.health === "unhealthy").map((each) => ({ to: `/devices/${each.id}`, text: t.isUnhealthy(each.name) })),
  ];
  return (
    <Page title={t.places.overview} lead={t.overviewLead}>
      <Figures>
        <Figure label={t.places.devices} value={all.length} note={t.ofThemConnected(connected)} />
        <Figure label={t.places.applications} value={applications.size} note={t.ofThemRunning(running)} />
        <Figure label={t.places.gateways} value={gateways.size} note={t.ofThemOnline(online)} />
        <Figure label={t.attention} value={troubles.length} tone={troubles.length ? "warn" : "good"} note={troubles.length ? t.seeBelow : t.allWell} />
      </Figures>
      {all.length === 0 && gateways.size === 0 && (
        <Card>
          <Empty title={t.nothingYet}>
            <p>{t.nothingYetText}</p>
            <Link className="button primary" to="/initial-config">{t.places.setup}</Link>
          </Empty>
        </Card>
      )}
      <div className="grid">
        <Card title={t.places.devices} aside={<Link to="/devices">{t.showAll}</Link>}>
          <Distribution label={t.places.devices} phases={all.map((each) => each.status)} order={DEVICE_PHASES} />
        </Card>
        <Card title={t.places.applications} aside={<Link to="/applications">{t.showAll}</Link>}>
          <Distribution label={t.places.applications} phases={[...applications.values()].map((each) => each.status)} order={APPLICATION_PHASES} />
        </Card>
        <Card title={t.places.gateways} aside={<Link to="/gateways">{t.showAll}</Link>}>
          <Distribution label={t.places.gateways} phases={[...gateways.values()].map((each) => each.status)} order={GATEWAY_PHASES} />
        </Card>
        <Card title={t.attention}>
          {troubles.length === 0 ? <p className="quiet">{t.allWell}</p> : (
            <ul className="links">
              {troubles.slice(0, 8).map((each) => <li key={each.text}><Link to={each.to}>{each.text}</Link></li>)}
              {troubles.length > 8 && <li className="quiet">{t.andMore(troubles.length - 8)}</li>}
            </ul>
          )}
        </Card>
        <System />
        <Card title={t.quickActions}>
          <div className="buttons start">
            <Link className="button" to="/devices?create">{t.createDevices}</Link>
            <Link className="button" to="/applications?create">{t.createApplication}</Link>
            <Link className="button" to="/deploy">{t.places.deploy}</Link>
            <Link className="button" to="/monitoring">{t.places.monitoring}</Link>
          </div>
        </Card>
      </div>
    </Page>
  );
}

interface PlatformStatus {
  uptime: number;
  last_update: string;
}

function System() {
  const t = useTexts();
  const { language } = usePreferences();
  const { version } = useOperations();
  const { state } = useConnection();
  // Read again when the connection is back: the server may be another one.
  const { data, error } = useQuery({ queryKey: ["status", state], queryFn: () => get<PlatformStatus>("/api/v1/status"), enabled: state === "live" });
  return (
    <Card title={t.system}>
      {error ? <Refusal error={error} /> : (
        <dl className="facts">
          <dt>{t.version}</dt><dd>{version || "–"}</dd>
          <dt>{t.runsSince}</dt>
          <dd>{data ? `${moment(new Date(new Date(String(data.last_update)).getTime() - data.uptime * 1000).toISOString(), language)} (${duration(data.uptime, language)})` : "–"}</dd>
        </dl>
      )}
    </Card>
  );
}
