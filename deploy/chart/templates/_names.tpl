{{/* The name of an image: (list . "platform"). */}}
{{- define "wasmbed.image" -}}
{{- $context := index . 0 -}}
{{- with $context.Values.image.registry }}{{ . }}/{{ end -}}
wasmbed/{{ index . 1 }}:{{ $context.Values.image.tag | default $context.Chart.AppVersion }}
{{- end }}

{{/* What each gateway sends to devices as its address. */}}
{{- define "wasmbed.advertise" -}}
{{- if .Values.gateway.advertise -}}
{{ .Values.gateway.advertise }}
{{- else if .Values.gateway.domain -}}
$(WASMBED_GATEWAY_NAME).{{ .Values.gateway.domain }}:8081
{{- else -}}
$(WASMBED_GATEWAY_NAME).wasmbed-gateway.$(WASMBED_GATEWAY_NAMESPACE).svc:8081
{{- end -}}
{{- end }}

{{/* The data of the gateways' ConfigMap. */}}
{{- define "wasmbed.settings" -}}
settings.toml: {{ .Values.gateway.settings | quote }}
{{- end }}
