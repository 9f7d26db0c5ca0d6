import { QueryClientProvider } from "@tanstack/react-query";
import { lazy, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createBrowserRouter, RouterProvider } from "react-router";
import { Layout } from "./layout";
import { client } from "./live";
import { NoticesProvider } from "./notices";
import { Broken, Missing } from "./pages/missing";
import { Overview } from "./pages/overview";
import { PreferencesProvider } from "./preferences";
import { Session } from "./session";
import "./style.css";

const Devices = lazy(() => import("./pages/devices"));
const Device = lazy(() => import("./pages/device"));
const Applications = lazy(() => import("./pages/applications"));
const Application = lazy(() => import("./pages/application"));
const Gateways = lazy(() => import("./pages/gateways"));
const Deploy = lazy(() => import("./pages/deploy"));
const Topology = lazy(() => import("./pages/topology"));
const Monitoring = lazy(() => import("./pages/monitoring"));
const Terminal = lazy(() => import("./pages/terminal"));
const Setup = lazy(() => import("./pages/setup"));

const router = createBrowserRouter([
  {
    element: <Layout />,
    errorElement: <Broken />,
    children: [
      { path: "/", element: <Overview /> },
      { path: "/dashboard", element: <Overview /> },
      { path: "/devices", element: <Devices /> },
      { path: "/devices/:id", element: <Device /> },
      { path: "/applications", element: <Applications /> },
      { path: "/applications/:id", element: <Application /> },
      { path: "/gateways", element: <Gateways /> },
      { path: "/deploy", element: <Deploy /> },
      { path: "/topology", element: <Topology /> },
      { path: "/monitoring", element: <Monitoring /> },
      { path: "/terminal", element: <Terminal /> },
      { path: "/initial-config", element: <Setup /> },
      { path: "*", element: <Missing /> },
    ],
  },
]);

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <PreferencesProvider>
      <QueryClientProvider client={client}>
        <NoticesProvider>
          <Session>
            <RouterProvider router={router} />
          </Session>
        </NoticesProvider>
      </QueryClientProvider>
    </PreferencesProvider>
  </StrictMode>,
);
