*** Settings ***
Documentation    Failures are reported where the user looks: tables of bad certificates, of bad modules, and of modules
...              that fail.

Resource         resources/wasmbed.resource

Test Tags        virtual    qemu    quick


*** Test Cases ***
A Bad Certificate Is Refused
    [Documentation]    The handshake completes, so that the gateway can ask the device to renew; it gets no resource.
    [Tags]    requires:gateway-certificate-errors
    [Template]    A Board With A Bad Certificate Should Get The Reason
    expired    expired
    not-yet-valid    not yet valid
    revoked    revoked
    wrong-usage    usage

A Certificate Of An Unknown Authority Ends The Handshake
    [Documentation]    Another authority signed it: a TLS alert, no session, no resource.
    A Board Should Not Get Past The Handshake    unknown-authority

A Certificate For Servers Ends The Handshake
    [Documentation]    TLS itself refuses a certificate that is not for clients.
    A Board Should Not Get Past The Handshake    server-only

Invalid Capabilities Are Refused
    [Documentation]    An unknown capability, or a missing one that is required; the error names it.
    [Template]    A Board With These Capabilities Should Be Refused
    teleport    tls    cbor    teleport
    cbor    wasm

A Module That Cannot Run Is Never Sent
    [Documentation]    The gateway sends none of it, and the reason is in the resource.
    [Tags]    requires:applications    requires:gateway-http
    [Template]    Module Should Be Refused
    missing_import    wasmbed.fly
    hungry    memory
    no_memory    memory
    hello    'start'    entry=start

Bytes That Are Not A Module Are Never Sent
    [Documentation]    An ELF file, and a module that is cut off.
    [Tags]    requires:applications    requires:gateway-http
    [Template]    Bytes Should Be Refused
    7f 45 4c 46 02 01 01 00    not a WebAssembly
    00 61 73 6d 01 00 00 00 01 ff ff    malformed

A Module That Fails Is Reported
    [Documentation]    The device ends it, reports why, and stays Connected; the application is in Error.
    [Tags]    requires:applications    requires:gateway-http    requires:device-phases
    [Template]    Module Should Fail With
    endless    OUT_OF_FUEL    fuel=100000
    endless    TIME_LIMIT    fuel=1125899906842624    time_limit=300ms
    trap    TRAP
    stray_pointer    TRAP
    greedy    MEMORY_LIMIT    memory=262144

Garbage Ends The Session And Changes Nothing
    [Documentation]    A frame that violates the contract: an error message and the end of the session.
    [Template]    Bytes On The Wire Should End The Session
    no-cbor    00 00 00 04 ff ff ff ff
    cut-short    00 00 00 03 83 01 01
    unknown-version    00 00 00 06 83 09 01 82 00 a0
    trailing-bytes    00 00 00 07 83 01 01 82 00 a0 00
    too-long    7f ff ff ff

A Failed Application Does Not Affect Its Device
    [Documentation]    After a trap the same device runs the next application.
    [Tags]    requires:applications    requires:gateway-http
    ${board}=    Connect A Device
    ${broken}=    Deploy Application    trap    ${board}
    Application Should Reach Phase    ${broken}    Error
    ${healthy}=    Run An Application    hello    ${board}
    History Should Follow    runtime-error    ${broken}
    History Should Follow    application-deployment    ${healthy}

A Revoked Device Cannot Reconnect
    [Documentation]    A running gateway loads the revocation: the session ends, and the device is refused afterwards.
    [Tags]    requires:gateway-revocation
    Skip Unless Boards Have    reset
    ${board}=    Connect A Device
    Revoke Certificate Of    ${board}
    ${dismissed}=    Gateway Should Refuse    ${board}    CERTIFICATE_INVALID    revoked
    Device Should Reach Phase    ${board}    Disconnected
    Reset Board    ${board}
    Wait For Event    Error    ${board}    code=CERTIFICATE_INVALID    after=${dismissed}    within=20s
    Every Invariant Should Hold


*** Keywords ***
A Board With A Bad Certificate Should Get The Reason
    [Documentation]    Refused with the reason, asked to renew, and without a resource in Kubernetes.
    [Arguments]    ${certificate}    ${reason}
    ${board}=    Power On Board    certificate=${certificate}
    ${refused}=    Gateway Should Refuse    ${board}    CERTIFICATE_INVALID    ${reason}
    Should Be Equal    ${refused.data}[action]    RENEW_CERTIFICATE
    Board Console Should Show    ${board}    CERTIFICATE_INVALID
    Device Should Not Exist    ${board}
    History Should Follow    certificate-invalid    ${board}

A Board Should Not Get Past The Handshake
    [Documentation]    A TLS alert, no session, no resource.
    [Arguments]    ${certificate}
    ${board}=    Power On Board    certificate=${certificate}
    Wait For Event    TlsRejected
    Event Should Not Have Happened    TlsConnected    ${board}
    Device Should Not Exist    ${board}

A Board With These Capabilities Should Be Refused
    [Documentation]    The error names the capability.
    [Arguments]    ${named}    @{capabilities}
    ${board}=    Power On Board    capabilities=${capabilities}
    Gateway Should Refuse    ${board}    UNSUPPORTED_CAPABILITY    ${named}
    Device Should Not Exist    ${board}
    History Should Follow    enrollment-failure    ${board}

Module Should Be Refused
    [Documentation]    The application is Failed with that reason, and nothing was sent.
    [Arguments]    ${module}    ${reason}    &{settings}
    ${board}=    Connect A Device
    ${application}=    Deploy Application    ${module}    ${board}    &{settings}
    ${status}=    Application Should Reach Phase    ${application}    Failed    health=unhealthy
    Should Contain    ${status.error}    ${reason}
    Event Should Not Have Happened    Deploy    ${application}    source=Gateway
    History Should Follow    deployment-failure    ${application}

Bytes Should Be Refused
    [Documentation]    The same for a module given as hexadecimal bytes.
    [Arguments]    ${hexadecimal}    ${reason}
    ${module}=    Convert To Bytes    ${hexadecimal}    hex
    Module Should Be Refused    ${module}    ${reason}

Module Should Fail With
    [Documentation]    The application is in Error with that code, and its device stays Connected.
    [Arguments]    ${module}    ${code}    &{settings}
    ${board}=    Connect A Device
    ${application}=    Deploy Application    ${module}    ${board}    &{settings}
    Application Should Reach Phase    ${application}    Error    health=unhealthy
    Application On Device Should Become    ${application}    ${board}    state=error    code=${code}
    Wait For Event    RuntimeFault    ${application}    source=Device    code=${code}
    Device Should Have Gone Through    ${board}    Pending    Enrolling    Enrolled    Connected
    History Should Follow    runtime-error    ${application}

Bytes On The Wire Should End The Session
    [Documentation]    A protocol error is answered, and nothing else changes.
    [Arguments]    ${name}    ${hexadecimal}
    ${peer}=    Connect Peer    ${name}
    Send Bytes Of Peer    ${peer}    ${hexadecimal}
    Gateway Should Refuse    ${name}    PROTOCOL_ERROR
    Peer Should Be Disconnected    ${peer}
    Device Should Not Exist    ${name}
