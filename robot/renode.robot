*** Settings ***
Documentation    Boards in Renode: three kinds side by side, and Renode's own keywords.
...              `robot --include renode robot`; skipped, with a reason, where Renode is missing.

Resource         resources/wasmbed.resource

Suite Setup      Skip Unless There Is Tier    renode

Test Tags        renode


*** Variables ***
@{KINDS}    stm32f4-discovery    arduino-nano-33-ble    stm32f746g-disco


*** Test Cases ***
Three Kinds Of Boards Run The Same Application Side By Side
    [Documentation]    Each enrolls, and each runs the module.
    [Tags]    requires:applications    requires:gateway-http
    VAR    @{boards}    @{EMPTY}
    FOR    ${kind}    IN    @{KINDS}
        ${board}=    Power On Board    ${kind}
        Append To List    ${boards}    ${board}
    END
    FOR    ${board}    IN    @{boards}
        Device Should Reach Phase    ${board}    Connected    within=30s
        History Should Follow    device-enrollment
    END
    Run An Application    hello    ${boards}
    FOR    ${board}    IN    @{boards}
        Board Console Should Show    ${board}    hello from a module    within=20s
    END

A Board Of One Kind Is Lost And The Others Continue
    [Documentation]    Its power is cut, in the same Renode process.
    [Tags]    requires:applications    requires:gateway-http
    ${lost}=    Power On Board    stm32f4-discovery
    ${other}=    Power On Board    arduino-nano-33-ble
    Device Should Reach Phase    ${lost}    Connected    within=30s
    Device Should Reach Phase    ${other}    Connected    within=30s
    Cut Power Of Board    ${lost}
    Device Should Be Lost    ${lost}
    Run An Application    hello    ${other}
    Restore Power Of Board    ${lost}
    Device Should Reach Phase    ${lost}    Connected    within=30s

The Monitor Answers
    [Documentation]    With Renode's own keywords.
    ${board}=    Power On Board    stm32f746g-disco
    Wait For Line On Uart    link: up    testerId=${board}    timeout=30s
    ${mips}=    Execute Command    sysbus.cpu PerformanceInMips    machine=${board}
    Should Be Equal As Integers    ${mips}    100
    ${pc}=    Execute Command    sysbus.cpu PC    machine=${board}
    Should Match Regexp    ${pc}    ^0x[0-9a-fA-F]+$
    Run Keyword And Expect Error    *does not provide a field*
    ...    Execute Command    sysbus.cpu NoSuchThing    machine=${board}

A Saved State Is Restored
    [Documentation]    Provides and Requires in one test; the device keeps its id and does not enroll again.
    ${board}=    Power On Board    stm32f746g-disco
    Device Should Reach Phase    ${board}    Connected    within=30s
    ${before}=    Get Status Of Device    ${board}
    Provides    connected
    Cut Power Of Board    ${board}
    Device Should Be Lost    ${board}
    Requires    connected
    Device Should Reach Phase    ${board}    Connected    within=30s
    Device Should Be The Same As Before    ${board}    ${before}
    Run Emulation For    200ms
    Start Emulation
