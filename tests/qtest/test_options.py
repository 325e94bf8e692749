#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Command line options: what each does to the machine, and what is refused with which message."""
import datetime
import os
import re
import signal
import socket
import subprocess
import tempfile

import machine
import vm

import tap

# AddressSanitizer's leak check makes a process at the end, which a sandbox forbids.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"

BASE = ["-accel", "qtest", "-nodefaults", "-display", "none"]
SOFT = ["-accel", "soft", "-nodefaults", "-display", "none"]
RAM = ["-object", "memory-backend-ram,id=m0,size=64M", "-object", "memory-backend-ram,id=m1,size=32M"]
DIMM = {"driver": "pc-dimm", "id": "d9", "memdev": "r9"}
SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

# (arguments, words that the message must have)
USB = ["-machine", "pc", "-usb", "-device"]
CARD = [*USB, "usb-ccid,id=r", "-device"]
REFUSED = [
    (["-M", "none", "-cpu", "qemu64,apic-id=1"], "apic-id=1: the first CPU's is 0"),
    (["-readconfig", "/nonexistent/x"], "/nonexistent/x"),
    (["-set", "device.d0.slot=1"], "-device d0"),
    (["-set", "nonsense"], r"GROUP\.ID\.KEY"),
    (["-object", "{\"qom-type\":\"memory-backend-ram\",\"id\":\"m0\",\"size\":4096}",
      "-set", "object.m0.size=1G"], "JSON"),
    (["-global", "pc-dimm"], "TYPE.PROPERTY"),
    (["-global", "pc-dimm.colour=red"], "colour memdev"),
    (["-global", "pc-dimm.slot=first"], "slot"),
    (["-global", "driver=pc-dimm,property=slot"], "value="),
    (["-global", "driver=pc-dimm,property=slot,value=1,x=2"], "'x'"),
    (["-add-fd", "fd=99,set=1"], "fd=99"),
    (["-add-fd", "fd=0,set=1"], "standard input"),
    (["-add-fd", "set=1"], "fd="),
    (["-add-fd", "fd=3,set=-1"], "set=-1"),
    (["-msg", "timestamp=maybe"], "timestamp=maybe"),
    (["-msg", "colour=on"], "colour"),
    (["-sandbox", "maybe"], "maybe"),
    (["-sandbox", "on,spawn=perhaps"], "spawn=perhaps allow"),
    (["-sandbox", "on,spwan=deny"], "spwan"),
    (["-overcommit", "mem-lock=maybe"], "mem-lock=maybe"),
    (["-overcommit", "cpu-pm=maybe"], "cpu-pm=maybe"),
    (["-cdrom", "x"], "-cdrom open x"),
    (["-hda", "/nonexistent/x"], "-hda /nonexistent/x"),
    (["-M", "none", "-hdd", "x"], "-hdd if=ide none virtio pflash"),
    (["-icount", "shift=0"], "-icount qtest"),
    (["-netdev", "user"], "-netdev id="),
    (["-netdev", "card,id=n"], "type=card bridge dgram hubport socket stream tap user"),
    (["-netdev", "vde,id=n"], "type=vde VDE stream tap bridge"),
    (["-netdev", "l2tpv3,id=n"], "type=l2tpv3 kernel tap"),
    (["-netdev", "netmap,id=n"], "type=netmap tap"),
    (["-netdev", "vhost-user,id=n"], "chardev= missing socket"),
    (["-nic", "vhost-vdpa"], "type=vhost-vdpa tap"),
    (["-netdev", "user,id=n,smb=/tmp"], "smb= 'n' guestfwd="),
    (["-netdev", "user,id=n,smbserver=10.0.2.4"], "smb= 'n' guestfwd="),
    (["-device", "virtio-net-pci,rss=on"], "rss=on mq=on"),
    (["-device", "virtio-net-pci,hash=on"], "hash=on off"),
    (["-device", "virtio-net-pci,failover=on"], "failover=on id= failover_pair_id"),
    (["-device", "e1000,failover_pair_id=net0"], "failover_pair_id=net0 id="),
    (["-device", "virtio-rng-pci,id=r,failover_pair_id=net0"], "failover_pair_id network"),
    (["-device", "virtio-net-pci,guest_rsc_ext=on"], "guest_rsc_ext=on off"),
    (["-device", "virtio-net-pci,speed=-2"], "speed=-2 Mbit/s"),
    (["-device", "virtio-net-pci,duplex=quarter"], "quarter half full"),
    (["-device", "virtio-net-pci,bootindex=-2"], "bootindex=-2"),
    (["-device", "virtio-net-pci,romfile=/nonexistent"], "romfile=/nonexistent -L ipxe-qemu"),
    (["-device", "virtio-net-pci,romfile=/etc/passwd"], "romfile=/etc/passwd 55.aa"),
    (["-device", "virtio-net-pci,bootindex=1,id=a", "-device", "virtio-net-pci,bootindex=1"], "bootindex=1 'a'"),
    (["-netdev", "socket,id=n"], "'n' one listen= mcast="),
    (["-netdev", "socket,id=n,listen=:1,connect=:2"], "'n' only one"),
    (["-netdev", "socket,id=n,listen=80"], "listen=80 HOST:PORT"),
    (["-netdev", "socket,id=n,udp=127.0.0.1:80"], "localaddr=ADDRESS:PORT"),
    (["-netdev", "socket,id=n,connect=127.0.0.1:1,localaddr=127.0.0.1:1"], "localaddr= mcast= udp="),
    (["-netdev", "socket,id=n,fd=0"], "fd=0 socket"),
    (["-netdev", "socket,id=n,fd=99"], "fd=99 open"),
    (["-netdev", "dgram,id=n"], "local= 224.0.0.0"),
    (["-netdev", "dgram,id=n,local.type=unix,local.path="], "path '' 107"),
    (["-netdev", "dgram,id=n,local.type=unix,local.path=/none/there"], "'n' cannot receive"),
    (["-netdev", "dgram,id=n,local.type=unix,local.path=/tmp,remote.type=inet,remote.host=127.0.0.1,remote.port=1"],
     "one kind"),
    (["-netdev", "dgram,id=n,remote.type=inet,remote.host=127.0.0.1,remote.port=1"], "local="),
    (["-netdev", "dgram,id=n,local.type=vsock,local.cid=1,local.port=1"], "inet, unix fd"),
    (["-netdev", "dgram,id=n,local.type=fd,local.str=0"], "fd=0 datagrams"),
    (["-netdev", "tap,id=n,fd=0"], "'n' no tap"),
    (["-netdev", "tap,id=n,fd=99"], "fd=99"),
    (["-netdev", "tap,id=n,vhostfd=3,vhostfds=3"], "'n' vhostfd= vhostfds= one"),
    (["-netdev", "tap,id=n,vhost=off,vhostfd=3"], "'n' vhostfd= vhost=on"),
    (["-netdev", "tap,id=n,vhostfds=0:1"], "'n' vhostfds=0:1 1 pairs"),
    (["-netdev", "tap,id=n,queues=2,vhostfd=0"], "'n' vhostfd=0 2 pairs"),
    (["-device", "virtio-scsi-pci", "-blockdev", "null-co,node-name=d0", "-device", "scsi-block,drive=d0"],
     "scsi-block drive 'd0' no SCSI host_device"),
    (["-device", "vfio-pci"], "host sysfsdev"),
    (["-device", "vfio-pci,host=0000:01:00.0,sysfsdev=/sys"], "host sysfsdev"),
    (["-device", "vfio-pci,host=1:2"], "host=1:2 0000:06:12.5"),
    (["-device", "vfio-pci,host=ff:1f.7"], "no device /sys/bus/pci/devices/0000:ff:1f.7"),
    (["-device", "vfio-pci,sysfsdev=/sys/none"], "no device /sys/none"),
    (["-device", "vfio-pci,sysfsdev=/sys"], "/sys no driver vfio-pci"),
    (["-device", "vfio-pci,host=00:1f.7,display=on"], "display=on display=off"),
    ([*USB, "usb-host"], "vendorid= productid= hostbus= hostport= hostaddr= hostdevice="),
    ([*USB, "usb-host,hostport=1"], "hostport=1 hostbus="),
    ([*USB, "usb-host,hostdevice=/dev/null"], "/dev/null no USB device"),
    ([*USB, "usb-host,hostdevice=/nowhere"], "open '/nowhere'"),
    ([*USB, "usb-host,hostdevice=/dev/null,vendorid=1"], "hostdevice="),
    ([*USB, "usb-host,hostbus=200,hostaddr=100"], "no such device info usbhost"),
    ([*USB, "usb-host,vendorid=1,isobufs=0"], "isobufs= isobsize= 64"),
    ([*CARD, "ccid-card-emulated,backend=certificates"], "cert1="),
    ([*CARD, "ccid-card-emulated,cert1=a"], "cert1= backend=certificates"),
    ([*CARD, "ccid-card-emulated,backend=certificates,cert1=a,cert2=b,cert3=(c"], "cert3="),
    ([*CARD, "ccid-card-emulated,db=sql:/nowhere"], "sql:/nowhere"),
    (["-object", "input-linux,id=k"], "evdev /dev/input/eventN"),
    (["-object", "input-linux,id=k,evdev=/nowhere"], "open '/nowhere'"),
    (["-object", "input-linux,id=k,evdev=/dev/null"], "/dev/null no input device"),
    (["-object", "input-linux,id=k,evdev=/dev/null,grab-toggle=x"], "grab-toggle ctrl-ctrl"),
    (["-device", "virtio-input-host-pci"], "evdev="),
    (["-device", "virtio-input-host-pci,evdev=/dev/null"], "/dev/null no input device"),
    (["-device", "vhost-scsi-pci"], "wwpn naa."),
    (["-device", "vhost-scsi-pci,wwpn=naa.1,num_queues=0"], "num_queues=0 1 126"),
    (["-device", "vhost-scsi-pci,wwpn=naa.1,virtqueue_size=5"], "virtqueue_size=5 power of 2"),
    (["-device", "vhost-scsi-pci,wwpn=naa.1,boot_tpgt=256"], "boot_tpgt=256 255"),
    (["-device", "vhost-scsi-pci,wwpn=naa.1,vhostfd=99"], "fd=99"),
    (["-device", "vhost-scsi-pci,wwpn=naa.1,vhostfd=0"], "descriptor /dev/vhost-scsi"),
    (["-device", f"vhost-scsi-pci,wwpn={'n' * 224},vhostfd=0"], "wwpn= 223"),
    (["-device", "vhost-vsock-pci"], "guest-cid=0 3 4294967294"),
    (["-device", "vhost-vsock-pci,guest-cid=2"], "guest-cid=2 3 4294967294"),
    (["-device", "vhost-vsock-pci,guest-cid=4294967295"], "guest-cid=4294967295 3 4294967294"),
    (["-device", "vhost-vsock-pci,guest-cid=4294967299"], "guest-cid=4294967299 3 4294967294"),
    (["-device", "vhost-vsock-pci,guest-cid=x"], "guest-cid"),
    (["-device", "vhost-vsock-pci,guest-cid=3,vhostfd=99"], "fd=99"),
    (["-device", "vhost-vsock-pci,guest-cid=3,vhostfd=0"], "descriptor /dev/vhost-vsock"),
    (["-device", "vhost-vsock-pci-non-transitional,guest-cid=3,vhostfd=none"], "none"),
    (["-netdev", "tap,id=n,queues=0"], "queues= 256 fds="),
    (["-netdev", "tap,id=n,queues=257"], "queues= 256 fds="),
    (["-netdev", "tap,id=n,fds=0:1,queues=3"], "queues=3 2"),
    (["-netdev", "tap,id=n,fds=0:1"], "'n' no tap"),
    (["-netdev", "tap,id=n,fds="], "'n' no descriptor"),
    (["-netdev", "tap,id=n,helper=/x,queues=2"], "helper queues=1 ifname= fds="),
    (["-device", "virtio-net-pci,x-txburst=0"], "x-txburst=0 1"),
    (["-device", "virtio-net-pci,tx=soon"], "soon bh timer"),
    (["-netdev", "tap,id=n,fd=0,ifname=tap0"], "fd= ifname="),
    (["-netdev", "tap,id=n,helper=/x,script=no"], "helper= script="),
    (["-netdev", "tap,id=n,helper=/none/there"], "'n' /none/there"),
    (["-netdev", "bridge,id=n,helper=/bin/false"], "/bin/false"),
    (["-netdev", "tap,id=n,ifname=a-name-of-16-byte"], "ifname=a-name-of-16-byte 15"),
    (["-netdev", "hubport,id=n"], "hubid="),
    (["-netdev", "hubport,id=n,hubid=0,netdev=m"], "'m' before"),
    (["-netdev", "hubport,id=m,hubid=1", "-netdev", "hubport,id=n,hubid=0,netdev=m"], "'m' joined"),
    (["-netdev", "user,id=m", "-netdev", "hubport,id=n,hubid=0,netdev=m", "-netdev", "hubport,id=o,hubid=0,netdev=m"],
     "'m' used"),
    (["-netdev", "user,id=m", "-netdev", "hubport,id=n,hubid=0,netdev=m", "-device", "virtio-net-pci,netdev=m"],
     "'m' 'n'"),
    (["-netdev", "user,id=1"], "'1' letter"),
    (["-netdev", "user,id=n", "-netdev", "user,id=n"], "'n' already"),
    (["-netdev", "user,id=n,net=10.0.2.0/99"], "net=10.0.2.0/99 30"),
    (["-netdev", "user,id=n,host=10.1.0.2"], "host=10.1.0.2 network"),
    (["-netdev", "user,id=n,hostfwd=tcp::22"], "'tcp::22' GUESTADDR"),
    (["-netdev", "user,id=n,hostfwd=tcp:192.0.2.1:22-:22"], "tcp:192.0.2.1:22-:22 'n'"),
    (["-netdev", "user,id=n,guestfwd=tcp:10.0.2.100:7"], "guestfwd=tcp:10.0.2.100:7 cmd:"),
    (["-netdev", "user,id=n,guestfwd=tcp:10.1.2.100:7-cmd:cat"], "guestfwd=tcp:10.1.2.100:7-cmd:cat network"),
    (["-netdev", "stream,id=n"], "addr="),
    (["-netdev", "stream,id=n,addr.type=unix,addr.path=/none/there"], "/none/there 'n'"),
    (["-object", "filter-dump,id=d,file=/dev/null"], "netdev=ID"),
    (["-object", "filter-mirror,id=f,outdev=c"], "netdev=ID"),
    (["-netdev", "user,id=n", "-object", "filter-mirror,id=f,netdev=n"], "outdev=CHARDEV"),
    (["-netdev", "user,id=n", "-object", "filter-mirror,id=f,netdev=n,outdev=c"], "outdev=c -chardev"),
    (["-netdev", "user,id=n", "-object", "filter-redirector,id=f,netdev=n"], "indev= outdev="),
    (["-netdev", "user,id=n", "-chardev", "null,id=c", "-object", "filter-redirector,id=f,netdev=n,indev=c,outdev=c"], "'c' two"),
    (["-netdev", "user,id=n", "-object", "filter-buffer,id=f,netdev=n"], "interval=0"),
    (["-netdev", "user,id=n", "-object", "filter-buffer,id=f,netdev=n,interval=5,position=id=g"], "position=id=g head tail"),
    (["-object", "filter-dump,id=d,netdev=n,file=/dev/null"], "'n' netdev="),
    (["-netdev", "user,id=n", "-object", "filter-dump,id=d,netdev=n"], "file=PATH"),
    (["-netdev", "user,id=n", "-object", "filter-dump,id=d,netdev=n,file=/none/there"], "/none/there"),
    (["-netdev", "user,id=n", "-object", "filter-dump,id=d,netdev=n,file=/dev/null,maxlen=0"], "maxlen=0"),
    (["-netdev", "user,id=n", "-object", "filter-dump,id=d,netdev=n,file=/dev/null,queue=up"], "queue=up tx"),
    (["-device", "virtio-net-pci,netdev=n"], "'n' -netdev"),
    (["-device", "virtio-net-pci,mac=52:54"], "mac=52:54 six"),
    (["-device", "virtio-net-pci,mac=53:54:00:00:00:01"], "mac=53:54:00:00:00:01 group"),
    (["-device", "virtio-net-pci,host_mtu=60"], "host_mtu 68"),
    (["-device", "virtio-net-pci,rx_queue_size=300"], "rx_queue_size 300 1024"),
    (["-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n", "-device", "virtio-net-pci,netdev=n"],
     "'n' virtio-net-pci.0"),
    (["-device", "virtio-balloon", "-device", "virtio-balloon-pci"], "one balloon"),
    (["-device", "virtio-ballon"], "'virtio-ballon'"),
    (["-nic", "none,mac=52:54:00:00:00:01"], "none nothing"),
    (["-nodefconfig"], "-no-user-config"),
    (["-realtime", "mlock=on"], "mem-lock"),
    (["-net", "hubport,hubid=1"], "-netdev hub 0"),
    (["-net", "nic,model=lance"], "model=lance e1000 i82551 ne2k_isa pcnet virtio-net-pci vmxnet3"),
    (["-net", "vde"], "type=vde stream"),
    (["-nic", "user,model=lance"], "model=lance e1000 pcnet virtio-net-pci vmxnet3"),
    (["-nic", "user,model=nvme"], "model=nvme e1000"),
    (["-vga", "tcx"], "'tcx' none, std"),
    (["-vnc", "1"], "unix:PATH none"),
    (["-parallel", "x"], "'x'"), (["-parallel", "null"] * 4, "3 parallel ports"),
    (["-audio", "none,model=gus"], "gus ac97 es1370 hda sb16"), (["-audiodev", "none,id=a,model=hda"], "model= -audio -device"),
    (["-audio", "model=hda"], "driver"),
    (["-watchdog-action", "bark"], "bark inject-nmi"),
    (["-seed", "x"], "'x'"),
    (["-echr", "0x80"], "0x80 127"),
    (["-compat", "deprecated-input=refuse"], "refuse accept"),
    (["-trace", "events=/nonexistent/x"], "/nonexistent/x"),
    (["-M", "foo"], "'foo' none pc, pc-i440fx-7.2, pc-i440fx-2.8, q35, pc-q35-7.2"),
    (["-M", "pc,smp.cpus=2,smp.cores=3"], "cores"),
    (["-M", "pc,smp.colour=2"], "colour sockets"),
    (["-M", "pc,smp.cpus=x"], "cpus=x"),
    (["-M", "pc,smp=2,smp.cores=2"], "both smp"),
    (["-M", "pc,smp.cores=2", "-M", "smp=2"], "both smp"),
    (["-M", "pc,memory.maxmem=4G"], "maxmem max-size"),
    (["-M", "pc,memory.slots=4"], "max-size="),
    (["-M", "pc,smp.0=1"], "smp"),
    (["-M", "pc,smp.0=1,smp.cores=2"], r"list \(smp.0=\) names \(smp.cores=\)"),
    (["-M", "pc,smp.cpus=2,smp.cpus.x=1"], r"smp.cpus= smp.cpus.x="),
    (["-M", "pc,smp..cpus=2"], r"'smp\.\.cpus' dots"),
    (["-M", "{'type':'pc','smp':2}"], "smp object"),
    (["-M", "{'type':'pc','hmat':'on'}"], "hmat true"),
    (["-object", "memory-backend-ram,id=m,size=4096,host-nodes.0=0,host-nodes.2=0"], r"host-nodes\.1"),
    (["-object", "memory-backend-ram,id=m,size.x=4096"], "size"),
    (["-device", "pc-dimm,memdev.0=m"], "memdev string"),
    (["-M", "pc,boot.order=zz"], "'z'"),
    (["-m", "{'size':'1G'}"], "size integer 1G"),
    (["-m", "{'size':1,'size':2}"], "'size' twice"),
    (["-m", "{'size':1073741824,}"], "JSON"),
    (["-smp", "{'cpus':1.5}"], r"cpus integer 1\.5"),
    (["-smp", "cpus.x=1"], "cpus integer"),
    (["-boot", "{'menu':1}"], "menu true"),
    (["-numa", "{'type':'node','cpus':'0'}"], "cpus array"),
    (["-numa", "{'type':'node','cpus':[0,-1]}"], r"cpus\[1\] 65535 -1"),
    (["-numa", "node,cpus.0=0,cpus.2=1"], r"cpus\.1 missing gap"),
    (["-numa", "node,cpus=0,cpus.0=1"], "cpus both"),
    (["-chardev", "{'backend':'null','id':'x'"], "JSON"),
    (["-chardev", "{'backend':'file','id':'x','path':5}"], "path string 5"),
    (["-chardev", "null,id=x,mux=maybe"], "mux=maybe on off"),
    (["-blockdev", "driver=vmdk,node-name=a"], "vmdk file, raw"),
    (["-blockdev", "file,node-name=a"], "filename missing"),
    (["-blockdev", "file,filename=/x"], "node-name missing"),
    (["-blockdev", "raw,node-name=a,file=b"], "block node 'b'"),
    (["-blockdev", "raw,node-name=a,file.driver=file"], r"file\.filename missing"),
    (["-blockdev", "raw,node-name=a,file.driver=file,file.0=x"], "'file' list names"),
    (["-blockdev", "raw,node-name=a,file.driver=file,file.filename=/x,file.colour=red"], r"file\.colour"),
    (["-blockdev", "raw,node-name=a,file.driver=null-co,file.node-name=a"], "'a' already"),
    (["-blockdev", "file,node-name=a,filename=/x,read-only=2"], "read-only=2 on off"),
    (["-M", "none", "-drive", "file=x,format=qcow2,cache=none"], "if=ide IDE virtio pflash"),
    (["-drive", "if=pflash,file=x,unit=2"], "unit=2 0 and 1"),
    (["-drive", "if=pflash"], "file missing"),
    (["-mon", "chardev=x,mode=loud"], "mode=loud readline control"),
    (["-global", "{'driver':'pc-dimm','property':'slot'}"], "value missing"),
    (["-object", "{'qom-type':5,'id':'m'}"], "qom-type string 5"),
    (["-accel", "soft,colour=red"], "colour tb-size"),
    (["-overcommit", "memlock=on"], "memlock mem-lock"),
    (["-M", "pc,boot.colour=c"], "colour"),
    (["-M", "pc,graphics=maybe"], "graphics"),
    (["-M", "pc,nosuch.x=1"], "nosuch"),
    (["-smp", "4,clusters=2"], "clusters=2"),
    (["-m", "1024,maxmem=4096"], "maxmem=4096 suffix"),
    (["-object", "{'qom-type':'memory-backend-ram','id':'m','size':4096,'size':8192}"], "'size' twice"),
    (["-object", "{'qom-type':'memory-backend-ram','id':'m','size':18446744073709551616}"],
     "18446744073709551616 18446744073709551615"),
    (["-device", "{'driver':'pc-dimm\\u0000','memdev':'m'}"], "u0000"),
    (["-no-acpi", "-M", "pc,dump-acpi=/tmp"], "dump-acpi acpi=off"),
    (["-M", "pc,acpi=maybe"], "acpi auto on off"),
    (["-no-acpi", "-m", "1G,slots=1,maxmem=4G", "-object", "memory-backend-ram,id=m,size=128M",
      "-device", "pc-dimm,memdev=m"], "no ACPI acpi=on"),
    (["-global", "PIIX4_PM.disable_s3=2"], "disable_s3 0 1"),
    (["-M", "q35", "-global", "ICH9-LPC.s4_val=1"], "s4_val 2 7"),
    (["-global", "ICH9-LPC.disable_s4=2"], "disable_s4 0 1"),
    (["-global", "kvm-pit.lost_tick_policy=slew"], "discard delay"),
    (["-boot", "order=x"], "'x' letters"),
    (["-boot", "cc"], "twice"),
    (["-boot", "cb"], "'b' network"),
    (["-boot", "once=acdn"], "3 drives"),
    (["-boot", "menu=maybe"], "menu=maybe on"),
    (["-boot", "drive=c"], "drive order"),
    (["-boot", "splash-time=65536"], "65535"),
    (["-boot", "reboot-timeout=-2"], "-1 for never"),
    (["-boot", "splash=/nonexistent/x"], "/nonexistent/x"),
    (["-boot", f"splash={__file__}"], "JPEG BMP"),
    (["-fw_cfg", "opt/a"], "string="),
    (["-fw_cfg", "opt/a,string=a,file=b"], "string="),
    (["-fw_cfg", "string=a"], "name="),
    (["-fw_cfg", "opt/a,text=a"], "text string"),
    (["-fw_cfg", "opt/a,file=/nonexistent/x"], "/nonexistent/x"),
    (["-fw_cfg", "opt/" + 52 * "x" + ",string=a"], "55 characters"),
    (["-fw_cfg", "opt/a,string=a", "-fw_cfg", "opt/a,string=b"], "opt/a already"),
    (["-fw_cfg", "etc/e820,string=a"], "etc/e820 already"),
    (["-M", "none", "-fw_cfg", "opt/a,string=a"], "none"),
    (["-M", "none", "-smbios", "type=1,serial=a"], "none"),
    (["-smbios", "serial=a"], "type="),
    (["-smbios", "type=5"], "type=5 17 file"),
    (["-smbios", "type=1,colour=red"], "colour sku"),
    (["-smbios", "type=1,uuid=12"], "uuid=12 digits"),
    (["-smbios", "type=17,speed=65536"], "65535"),
    (["-smbios", "file=/nonexistent/x"], "/nonexistent/x"),
    (["-smbios", f"file={__file__}"], "structure"),
    (["-rtc", "base=yesterday"], "base=yesterday"),
    (["-rtc", "base=2026-02-30"], "base=2026-02-30"),
    (["-rtc", "clock=sun"], "clock host rt vm"),
    (["-rtc", "driftfix=fast"], "driftfix=fast"),
    (["-M", "none", "-rtc", "base=localtime"], "no clock"),
    (["-audiodev", "alsa,id=a"], "sound"),
    (["-audiodev", "wav,id=a,path=/nowhere/x"], "/nowhere/x"),
    (["-audiodev", "wav,path=/dev/null"], "id=ID"),
    (["-audiodev", "wav,id=a,path=/dev/null,out.frequency=5"], "8000 to 192000"),
    (["-audiodev", "wav,id=a,path=/dev/null,out.channels=3"], "1 to 2"),
    (["-audiodev", "wav,id=a,path=/dev/null,out.format=u8"], "s16"),
    (["-audiodev", "none,id=a", "-audiodev", "none,id=a"], "another"),
    (["-M", "pc,usb=maybe"], "usb"),
    (["-usb", "-usbdevice", "joystick"], "joystick"),
    (["-usbdevice", "tablet"], "usb-bus"),
    (["-M", "pc,hpet=maybe"], "hpet"),
    (["-M", "none", "-no-hpet"], "hpet"),
    (["-M", "pc,memory-backend=m0"], "'m0'"),
    (["-M", "pc,memory-backend=m", "-object", "memory-backend-ram,id=m,size=8"], "'m' 8 whole pages"),
    (["-m", "128M", "-M", "pc,memory-backend=m0", *RAM], "128 64"),
    (["-m", "128M", "-numa", "node,memdev=m0", "-numa", "node,memdev=m1", *RAM], "128 96"),
    (["-m", "64M", "-M", "pc,memory-backend=m0", "-device", "pc-dimm,memdev=m0", *RAM], "m0|slots"),
    (["-numa", "node,memdev=m0,mem=64M", *RAM], "mem="),
    (["-object", "memory-backend-ram,id=pc.ram,size=64M"], "pc.ram another memory-backend="),
    (["-mem-path", "/nonexistent/x"], "-mem-path /nonexistent/x"),
    (["-mem-path", "/dev/shm", "-M", "pc,memory-backend=m0", *RAM], "-mem-path memory-backend-file"),
    (["-mem-path", "/dev/shm", "-M", "none"], "-mem-path none"),
    (["-action", "panic=dance"], "panic dance exit-failure"),
    (["-action", "panic"], "panic"),
    (["-action", "colour=red"], "colour reboot"),
    (["-device", "isa-serial,baudbase=0"], "baudbase"),
    (["-numa", "cpu,node-id=0"], "socket-id"),
    (["-numa", "node", "-numa", "cpu,node-id=0,socket-id=7"], "socket"),
    (["-serial", "stdio", "-monitor", "stdio"], "stdio once"),
    (["-accel", "warp"], "warp"),
    (["-accel", "warp,help"], "warp"),
    (["-accel", "kvm,translate=on"], "translate kernel-irqchip x-memslots"),
    (["-accel", "tcg,kernel-irqchip=off"], "kernel-irqchip translate"),
    (["-accel", "{'accel':'soft','tb-size':5000}"], "tb-size 1024 5000"),
    (["-accel", "kvm:tcg"], "kvm:tcg one of"),
    (["-accel", "soft,thread=some"], "thread=some multi single"),
    (["-accel", "kvm,thread=single"], "thread kernel-irqchip"),
    (["-accel", "hvf"], "hvf"),
    (["-M", "pc,kernel-irqchip=perhaps"], "kernel-irqchip=perhaps split"),
    (["-accel", "soft,tb-size=0"], "tb-size 1024"),
    (["-accel", "soft,tb-size=2000"], "tb-size 2000"),
    (["-accel", "soft,translate=perhaps"], "translate perhaps all"),
    (["-accel", "tcg,one-insn-per-tb=2"], "one-insn-per-tb on off"),
    (["-accel", "soft,perf-map=2"], "perf-map on off"),
    (["-accel", "qtest", "-accel", "warp"], "warp"),
    (["-M", "pc,accel=qtest:warp"], "warp"),
    (["-object", "secret,id=s"], "data="),
    (["-object", "secret,id=s,file=/nonexistent/x"], "/nonexistent/x"),
]

def config_file(folder, text):
    path = f"{folder}/machine.cfg"
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


def refused(args, words):
    base = [] if "-accel" in args or any("accel=" in a for a in args) else BASE
    status, text = machine.run_program(*base, *args)
    tap.equal(status, 1, f"exit status; it printed: {text}")
    if not text.startswith("dimmable: ") or len(text.strip().splitlines()) > 6:
        raise AssertionError(f"not a clear error: {text}")
    for word in words.split():
        if not re.search(word, text, re.IGNORECASE):
            raise AssertionError(f"the message has no /{word}/: {text.strip()}")


def dimms(box):
    return {d["data"]["id"]: d["data"] for d in box.qmp.command("query-memory-devices")}


def plug_and_check(box):
    """A DIMM can be added, with its backend."""
    box.qmp.command("object-add", **{"qom-type": "memory-backend-memfd", "id": "r9", "size": 128 << 20})
    box.qmp.command("device_add", **DIMM)
    tap.equal("d9" in dimms(box), True, "the new DIMM is there")


# ---- files and settings ----

def readconfig():
    with tempfile.TemporaryDirectory() as folder:
        path = config_file(folder, """
[object "ram0"]
  qom-type = "memory-backend-ram"
  size = "256M"
[device "d0"]
  driver = "pc-dimm"
  memdev = "ram0"
[numa]
  type = "node"
[smp-opts]
  cpus = "2"
""")
        with machine.Machine(extra=["-readconfig", path, "-set", "device.d0.slot=5",
                                    "-set", "object.ram0.size=512M"]) as box:
            tap.equal(dimms(box)["d0"]["slot"], 5, "slot")
            tap.equal(dimms(box)["d0"]["size"], 512 << 20, "size")
        bad = config_file(folder, "[device \"d0\"]\n  driver = \"pc-dimm\"\n")
        status, text = machine.run_program(*BASE, "-m", "2G,slots=1,maxmem=4G", "-readconfig", bad)
        tap.equal(status, 1, text)
        tap.equal(f"{bad}:1: [device \"d0\"]: " in text and "memdev" in text, True, text)
        bad = config_file(folder, "\n[memory]\n  size = 2G\n")
        status, text = machine.run_program(*BASE, "-readconfig", bad)
        tap.equal(f"{bad}:3: " in text and "double quotes" in text, True, text)


def globals_apply():
    extra = ["-global", "pc-dimm.slot=3", "-global", "memory-backend.share=on",
             "-global", "driver=memory-backend-ram,property=merge,value=off",
             *RAM, "-set", "object.m0.size=128M", "-device", "pc-dimm,id=d0,memdev=m0"]
    with machine.Machine(extra=extra) as box:
        tap.equal(dimms(box)["d0"]["slot"], 3, "slot by default")
        found = {m["id"]: m for m in box.qmp.command("query-memdev")}
        tap.equal((found["m1"]["share"], found["m1"]["merge"]), (True, False), "backend by default")
        box.qmp.command("object-add", **{"qom-type": "memory-backend-memfd", "id": "r9",
                                         "size": 128 << 20, "share": False})
        found = {m["id"]: m for m in box.qmp.command("query-memdev")}
        tap.equal(found["r9"]["share"], False, "what is given wins")
        try:
            box.qmp.command("device_add", **DIMM)
        except vm.QmpError as err:
            tap.equal("slot 3" in err.desc, True, err.desc)
        else:
            raise AssertionError("slot 3 was given twice")
        tap.equal(box.errors(), "", "warnings")


def globals_unknown():
    """A type that is not there: a warning, as tools set properties of devices that a machine may have."""
    extra = ["-global", "nosuch.x=1", "-global", "driver=also.not,property=y,value=2"]
    with machine.Machine(extra=extra) as box:
        box.qmp.command("query-status")
        lines = box.errors().splitlines()
        tap.equal([line.split(":")[:2] for line in lines], [["dimmable", " warning"]] * 2, str(lines))
        tap.equal(("nosuch.x=1" in lines[0], "also.not.y=2" in lines[1]), (True, True), str(lines))


def globals_of_cpus():
    """Features of a model, or of all; what -cpu says itself wins. None has vmx, which enforce tells."""
    def start(*words):
        try:
            with vm.Vm(machine.PROGRAM, accel="soft", memory="64M", serial=False, extra=["-S", *words]) as box:
                box.qmp.command("query-status")
                return 0, box.errors()
        except RuntimeError as err:
            return 1, str(err)

    for word in "qemu64-x86_64-cpu.vmx=on", "x86_64-cpu.vmx=on", "driver=qemu64-x86_64-cpu,property=vmx,value=on":
        status, text = start("-global", word, "-cpu", "qemu64,enforce")
        tap.equal((status, "cannot offer on this host: vmx" in text), (1, True), text)
        status, text = start("-global", word, "-global", "x86_64-cpu.vmx=off", "-cpu", "qemu64,enforce")
        tap.equal((status, "error" in text, "warning" in text), (0, False, False), text)
        status, text = start("-global", word, "-cpu", "qemu64,vmx=off,enforce")
        tap.equal((status, "warning" in text), (0, False), text)
    status, text = start("-global", "Haswell-x86_64-cpu.vmx=on", "-cpu", "qemu64,enforce")
    tap.equal((status, "has no effect" in text), (0, True), text)
    for word, said in (("x86_64-cpu.bogus=on", "no CPU feature 'bogus'"), ("qemu64-x86_64-cpu.avx=maybe", "avx")):
        status, text = start("-global", word)
        tap.equal((status, f"-global {word}: " in text, said in text), (1, True, True), text)


def globals_unused():
    with machine.Machine(extra=["-M", "none", "-global", "pc-i440fx-7.2-machine.mem-merge=off",
                                "-global", "pc-dimm.node=1"], memory="128M") as box:
        box.qmp.command("query-status")
        tap.equal(box.errors(), "dimmable: warning: -global pc-i440fx-7.2-machine.mem-merge=off has no effect: "
                  "this machine has no 'pc-i440fx-7.2-machine'", "the warning")


def add_fd():
    with tempfile.TemporaryFile() as file:
        fd = os.dup(file.fileno())
        os.set_inheritable(fd, True)
        process = subprocess.run(
            [machine.PROGRAM, *BASE, "-add-fd", f"fd={fd},set=7,opaque=log",
             "-chardev", "file,id=c0,path=/dev/fdset/7,append=on", "-mon", "chardev=c0",
             "-chardev", "stdio,id=q", "-mon", "chardev=q,mode=control"],
            input=b'{"execute":"qmp_capabilities"}{"execute":"query-fdsets"}{"execute":"quit"}',
            stdout=subprocess.PIPE, pass_fds=[fd], close_fds=True, timeout=vm.LONG, check=True)
        os.close(fd)
        tap.equal(b'"fdset-id": 7' in process.stdout and b'"opaque": "log"' in process.stdout, True,
                  process.stdout)
        file.seek(0)
        tap.equal(b"monitor" in file.read(), True, "HMP's greeting is in the file")


def messages():
    status, text = machine.run_program(*BASE, "-name", "bob", "-msg", "timestamp=on,guest-name=on",
                                       "-device", "dc-pimm")
    tap.equal(status, 1, text)
    if not re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z bob dimmable: -device dc-pimm", text):
        raise AssertionError(text)


# ---- the host ----

def daemon_nographic():
    """-nographic is refused for a daemon only where it would put something on the terminal."""
    program = [machine.PROGRAM, "-accel", "qtest", "-S", "-M", "none", "-daemonize", "-nographic"]
    qmp = ["-qmp", "unix:{}/qmp,server=on,wait=off"]
    for args, words in (([], "serial port and the monitor"), (qmp, "serial port -serial"),
                        (["-serial", "null"], "monitor -monitor")):
        with tempfile.TemporaryDirectory() as folder:
            status, text = machine.run_program(*program[1:], *[a.format(folder) for a in args])
            tap.equal((status, all(word in text for word in words.split())), (1, True), text)
    for args in (["-nodefaults"], ["-serial", "null"], ["-serial", "none"]):
        with tempfile.TemporaryDirectory() as folder:
            args = [*args, *[a.format(folder) for a in qmp], "-pidfile", f"{folder}/pid"]
            tap.equal(machine.run_program(*program[1:], *args), (0, ""), str(args))
            qmp_client = vm.Qmp(f"{folder}/qmp")
            tap.equal(qmp_client.command("query-status")["status"], "prelaunch", str(args))
            qmp_client.command("quit")
            vm.wait_until(lambda: not os.path.exists(f"{folder}/pid"), "the daemon ends")


def thread_modes(pid):
    """The Seccomp: line of each thread."""
    modes = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as file:
            modes.add(re.search(r"^Seccomp:\t(\d)", file.read(), re.MULTILINE).group(1))
    return modes


def sandbox():
    with machine.Machine(extra=["-sandbox", SANDBOX, "-smp", "2"]) as box:
        tap.equal(thread_modes(box.process.pid), {"2"}, "seccomp mode of all threads")
        plug_and_check(box)
        box("outb 0x70 0")
        box.qmp.command("chardev-add", id="c5", backend={
            "type": "socket", "data": {"addr": {"type": "unix", "data": {"path": f"{box.dir}/c5"}},
                                       "server": True, "wait": False}})
        box.qmp.command("system_reset")
        box.qmp.command("quit")
        tap.equal(box.process.wait(vm.LONG), 0, "exit status")


def sandbox_with_cpus():
    """vCPU threads, which are there before the filter, have it too."""
    with vm.Vm(machine.PROGRAM, cpus=2, accel="soft", serial=False,
               extra=["-S", "-sandbox", SANDBOX]) as box:
        tap.equal(thread_modes(box.process.pid), {"2"}, "seccomp mode of all threads")
        box.qmp.command("cont")
        plug_and_check(box)
        tap.equal(box.qmp.command("query-status")["running"], True, "it runs")


def sandbox_daemon():
    with tempfile.TemporaryDirectory() as folder:
        args = ["-sandbox", SANDBOX, "-daemonize", "-pidfile", f"{folder}/pid", "-m",
                "2G,slots=8,maxmem=16G", "-qmp", f"unix:{folder}/qmp,server=on,wait=off"]
        status, text = machine.run_program(*BASE, *args)
        tap.equal((status, text), (0, ""), "the parent")
        with open(f"{folder}/pid", encoding="ascii") as file:
            pid = int(file.read())

        class Daemon:
            qmp = vm.Qmp(f"{folder}/qmp")
        tap.equal(thread_modes(pid), {"2"}, "seccomp mode")
        plug_and_check(Daemon)
        Daemon.qmp.command("quit")
        vm.wait_until(lambda: not os.path.exists(f"{folder}/pid"), "the pid file goes")


def skip_if_sanitized():
    if machine.sanitizer():
        raise tap.Skip(f"{machine.sanitizer()} has its own memory, too much to be locked")


def mem_lock():
    skip_if_sanitized()
    with machine.Machine(extra=["-overcommit", "mem-lock=off,cpu-pm=on"]) as box:
        tap.equal(locked_kib(box), 0, "locked memory")
    limited = ["prlimit", "--memlock=65536:65536", "setpriv", "--bounding-set=-ipc_lock",
               "--inh-caps=-ipc_lock", machine.PROGRAM]
    result = subprocess.run([*limited, *BASE, "-overcommit", "mem-lock=on"], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=vm.LONG, check=False)
    text = result.stdout.decode()
    if "setpriv" in text or "prlimit" in text:
        raise tap.Skip(text.strip())
    tap.equal((result.returncode, "CAP_IPC_LOCK" in text and "mem-lock=on" in text), (1, True), text)


def mem_locked():
    skip_if_sanitized()
    try:
        box = machine.Machine(memory="16M,slots=1,maxmem=4G", extra=["-overcommit", "mem-lock=on"])
    except RuntimeError as err:
        if "CAP_IPC_LOCK" in str(err):
            raise tap.Skip("no memory can be locked here") from err
        raise
    with box:
        tap.equal(locked_kib(box) >= 16 << 10, True, "locked memory")


def locked_kib(box):
    with open(f"/proc/{box.process.pid}/status", encoding="ascii") as file:
        return int(re.search(r"^VmLck:\s*(\d+)", file.read(), re.MULTILINE).group(1))


def flags_of_ram(args):
    """VmFlags of the biggest mappings: guest memory."""
    with machine.Machine(memory="256M,slots=8,maxmem=16G", extra=args) as box:
        with open(f"/proc/{box.process.pid}/smaps", encoding="ascii") as file:
            text = file.read()
    sizes = re.findall(r"^Size:\s+(\d+) kB.*?^VmFlags: ([a-z0-9 ]+)$", text, re.MULTILINE | re.DOTALL)
    return [flags.split() for size, flags in sizes if int(size) == 256 << 10]


def core_dump():
    skip_if_sanitized()
    tap.equal([("dd" in flags) for flags in flags_of_ram([])], [False], "boot RAM")
    tap.equal([("dd" in flags) for flags in flags_of_ram(["-M", "pc,dump-guest-core=off,usb=off"])],
              [True], "boot RAM that is not dumped")
    backends = ["-M", "pc,dump-guest-core=off,memory-backend=m",
                "-object", "memory-backend-ram,id=m,size=256M",
                "-object", "memory-backend-ram,id=o,size=256M,dump=on"]
    tap.equal(sorted(("dd" in flags) for flags in flags_of_ram(backends)), [False, True], "backends")


# ---- the machine ----

def cmos_time(box):
    def register(index):
        box.write("b", 0x70, index)
        value = box.read("b", 0x71)
        return (value >> 4) * 10 + (value & 15)
    return datetime.datetime(register(0x32) * 100 + register(9), register(8), register(7), register(4),
                             register(2), register(0))


def rtc():
    for base, wanted in (("2031-05-06T07:08:09", datetime.datetime(2031, 5, 6, 7, 8, 9)),
                         ("1999-12-31", datetime.datetime(1999, 12, 31))):
        with machine.Machine(extra=["-rtc", f"base={base},clock=vm,driftfix=none"]) as box:
            tap.equal(cmos_time(box), wanted, base)
            box("clock_step 61000000000")
            tap.equal(cmos_time(box), wanted + datetime.timedelta(seconds=61), f"{base} and 61 s")
    os.environ["TZ"] = "XYZ-05:30"
    for base, shift in (("utc", 0), ("localtime", 5.5)):
        def now(shift=shift):  # whole seconds, as the clock has
            return datetime.datetime.utcnow().replace(microsecond=0) + datetime.timedelta(hours=shift)
        before = now()
        with machine.Machine(extra=["-rtc", f"base={base}"]) as box:
            found, after = cmos_time(box), now()
            tap.equal(before <= found <= after, True, f"{base}: {before}, {found}, {after}")
    del os.environ["TZ"]


def accepted():
    with machine.Machine(extra=[
            "-M", "pc,usb=off,hpet=off,vmport=off,smm=off,mem-merge=off", "-boot", "strict=on",
            "-boot", "menu=on,order=dc,once=n,splash-time=5,reboot-timeout=-1", "-no-hpet", "-audiodev", '{"id":"audio1","driver":"none"}',
            "-object", '{"qom-type":"secret","id":"masterKey0","format":"raw","data":"x"}',
            "-no-user-config", "-overcommit", "mem-lock=off", "-rtc", "base=utc", "-fw_cfg", "name=opt/a,string=b",
            "-smbios", "type=1,serial=a,,b", "-smbios", "type=17,speed=3200",
            "-name", "guest=n,debug-threads=on", "-sandbox", "off", "-msg", "timestamp=on"]) as box:
        tap.equal(box.qmp.command("query-name"), {"name": "n"}, "name")
        options = {o["option"]: o for o in box.qmp.command("query-command-line-options")}
        for name in ("sandbox", "msg", "overcommit", "memory", "smp-opts", "numa", "boot-opts", "fw_cfg", "smbios"):
            tap.equal(name in options, True, name)


def nested_keys():
    """-machine smp.*, memory.* and boot.*; what -smp and -m say wins, and both add up."""
    sizes = {"size": 1 << 30, "slots": 2, "max-size": 4 << 30}
    smp = {"cpus": 2, "maxcpus": 8, "sockets": 2, "dies": 1, "cores": 2, "threads": 2, "clusters": 1}
    for extra, memory in (
            (["-M", "pc,smp.cpus=2,smp.maxcpus=8,smp.sockets=2,smp.threads=2,smp.clusters=1,boot.order=n,"
              "boot.menu=on,graphics=off,memory.size=1G,memory.slots=2,memory.max-size=4294967296"], None),
            (["-M", "pc", "-M", "smp.cpus=4,smp.maxcpus=8,smp.sockets=2", "-smp", "2", "-smp", "threads=2",
              "-M", "boot.order=n", "-boot", "menu=on", "-M", "graphics=off,memory.slots=2",
              "-m", "1024", "-M", "memory.size=64M,memory.max-size=4G"], None),
            (["-M", "q35,smp.cpus=8,memory.size=512M,boot.order=n,boot.menu=on,graphics=off", "-m", "1G",
              "-smp", "cpus=2,maxcpus=8,sockets=2,cores=2"], "64,slots=2,maxmem=4G")):
        with machine.Machine(memory=memory, cpus=None, extra=extra) as box:
            def get(name):
                return box.qmp.command("qom-get", path="/machine", property=name)
            tap.equal(get("memory"), sizes, str(extra))
            tap.equal(get("smp"), smp, str(extra))
            tap.equal(len(box.qmp.command("query-hotpluggable-cpus")), 8, str(extra))
            tap.equal((get("boot")["order"], get("boot")["menu"], get("graphics")), ("n", True, False))
    # Bytes, where -m means MiB.
    with machine.Machine(memory=None, cpus=None, extra=["-M", "pc,memory.size=67108864"]) as box:
        tap.equal(box.qmp.command("query-memory-size-summary")["base-memory"], 64 << 20)


def json_everywhere():
    """What key=value can say, JSON can, and nested keys can."""
    with tempfile.NamedTemporaryFile() as file:
        name = file.name
        extra = [
            "-M", "{'type':'pc','hmat':true,'boot':{'menu':true}}", "-boot", "{'order':'n'}",
            "-m", "{'size':1073741824,'slots':2,'maxmem':4294967296}", "-smp", "{'cpus':4,'sockets':2}",
            "-numa", "{'type':'node','cpus':[0,1],'mem':805306368}", "-numa", "node,cpus.0=2,cpus.1=3,mem=256",
            "-numa", "{'type':'dist','src':0,'dst':1,'val':15}",
            "-object", "{'qom-type':'memory-backend-ram','id':'m0','size':134217728,'policy':'default'}",
            "-device", "{'driver':'pc-dimm','id':'d0','memdev':'m0','node':1}",
            "-chardev", "{'backend':'ringbuf','id':'rb','size':4096}",
            "-chardev", "{'backend':'null','id':'shared','mux':true}",
            "-blockdev", f"{{'driver':'raw','node-name':'n0','file':{{'driver':'file','filename':'{name}'}}}}",
            "-blockdev", f"raw,node-name=n1,file.driver=raw,file.file.driver=file,file.file.filename={name}",
            "-global", "{'driver':'pc-dimm','property':'slot','value':'1'}"]
        with machine.Machine(memory=None, cpus=None, extra=extra) as box:
            tap.equal(box.qmp.command("qom-get", path="/machine", property="boot")["order"], "n")
            tap.equal(box.qmp.command("qom-get", path="/machine", property="hmat"), True)
            tap.equal((dimms(box)["d0"]["node"], dimms(box)["d0"]["slot"]), (1, 1))
            tap.equal([c["props"]["node-id"] for c in box.qmp.command("query-cpus-fast")], [0, 0, 1, 1])
            labels = {c["label"] for c in box.qmp.command("query-chardev")}
            tap.equal({"rb", "shared", "shared-base"} <= labels, True, str(labels))
            nodes = box.qmp.command("query-named-block-nodes")
            tap.equal({n["file"] for n in nodes}, {name})
            tap.equal([n["node-name"] for n in nodes if n["node-name"][0] != "#"], ["n0", "n1"])
            tap.equal(len(nodes), 5)


def floppy_check():
    """CMOS register 0x38: bit 0 tells a BIOS not to look at a floppy disk's signature."""
    for extra, value in (([], 0x30), (["-no-fd-bootchk"], 0x31), (["-M", "q35", "-no-fd-bootchk"], 0x31), (["-M", "pc,fd-bootchk=off"], 0x31), (["-M", "pc,fd-bootchk=on"], 0x30)):
        with machine.Machine(extra=extra) as box:
            box.write("b", 0x70, 0x38)
            tap.equal(box.read("b", 0x71), value, str(extra))


def usb():
    """The board's controller, and devices by old names."""
    for machine_type, extra, places in (
            ("pc", ["-usb", "-usbdevice", "tablet"], "Device 0.0, Port 1, Speed 12 Mb/s, Product QEMU USB Tablet"),
            ("q35", ["-usb", "-usbdevice", "tablet"], "Device 0.0, Port 1, Speed 12 Mb/s, Product QEMU USB Tablet"),
            ("pc", ["-usbdevice", "mouse", "-usbdevice", "keyboard", "-M", "pc,usb=on"],
             "Device 0.0, Port 1, Speed 12 Mb/s, Product QEMU USB Mouse\n  Device 0.0, Port 2, Speed 12 Mb/s, Product QEMU USB Keyboard")):
        with machine.Machine(extra=["-M", machine_type, *extra]) as box:
            tap.equal(box.errors(), "")
            tap.equal(box.qmp.command("human-monitor-command", **{"command-line": "info usb"}).replace("\r", ""), f"  {places}\n")


def audio():
    """-audio makes the card, too, whose sound goes where it says."""
    for words, wanted in ((["driver=none,model=hda"], {"hda-duplex": "audiodev0"}), (["none,id=x,model=ac97"], {"AC97": "x"}),
                          (["none,model=es1370", "none,model=sb16"], {"ES1370": "audiodev0", "sb16": "audiodev1"})):
        with machine.Machine(extra=[word for each in words for word in ("-audio", each)]) as box:
            tree = box.qmp.command("human-monitor-command", **{"command-line": "info qtree"})
            for card, audiodev in wanted.items():
                found = re.search(rf"dev: {card},.*?audiodev = \"([^\"]*)\"", tree, re.S)
                tap.equal(found and found[1], audiodev, f"{words}: {card}")


# What test suites and tools give to every machine.
SUITES = [
    ["-global", "virtio-blk-pci.scsi=off"], ["-net", "none"], ["-nic", "none"], ["-vga", "none"], ["-vnc", "none"], ["-parallel", "none"], ["-parallel", "null"],
    ["-monitor", "none"], ["-serial", "none"], ["-serial", "null"], ["-audio", "none"],
    ["-audiodev", "none,id=a0"], ["-audiodev", '{"id":"audio1","driver":"spice"}'],
    ["-audiodev", "dbus,id=a0"], ["-audiodev", "sdl,id=a0"], ["-full-screen"], ["-audiodev", "{'driver':'none','id':'a0'}"], ["-display", "none"],
    ["-qtest-log", "none"], ["-qtest-log", "/dev/null"], ["-qtest-log", "/dev/fd/2"], ["-L", "/tmp"],
    ["-seed", "1234"], ["-k", "en-us"], ["-echr", "0x14"], ["-echr", "t"], ["-D", "/dev/null"],
    ["-d", "guest_errors"], ["-compat", "deprecated-input=reject,deprecated-output=hide"],
    ["-compat", "unstable-input=crash"], ["-trace", "memory_region_*"], ["-trace", "enable=*,file=/dev/null"],
    ["-watchdog-action", "pause"], ["-no-fd-bootchk"], ["-no-user-config"], ["-no-hpet"], ["-cpu", "max"],
    ["-cpu", "qemu64"], ["-smp", "2"], ["-smp", "cpus=2,sockets=2"], ["-smp", "2,maxcpus=4,clusters=1"],
    ["-smp", "maxcpus=4,sockets=1,dies=2,cores=2,threads=1"], ["-boot", "c"], ["-boot", "order=nc,menu=on"],
    ["-boot", "strict=on"], ["-rtc", "base=localtime"], ["-name", "a,debug-threads=on"], ["-M", "pc,graphics=off"],
    ["-M", "q35,graphics=on"], ["-msg", "timestamp=off"], ["-overcommit", "mem-lock=off"],
    ["-uuid", "12345678-1234-1234-1234-123456789abc"], ["-object", "{'qom-type':'memory-backend-ram','id':'m','size':4096}"],
    ["-device", "{'driver':'isa-debug-exit'}"], ["-no-shutdown"], ["-no-reboot"], ["-action", "watchdog=none"],
    ["-accel", "kvm"], ["-accel", "tcg,tb-size=64,thread=multi,one-insn-per-tb=off"], ["-accel", "tcg,thread=single"], ["-M", "pc,accel=qtest:tcg"], ["-M", "pc-q35-7.2"], ["-M", "pc-i440fx-7.2"],
    ["-M", "q35", "-global", "ICH9-LPC.noreboot=false", "-watchdog-action", "shutdown"], ["-M", "none", "-cpu", "qemu64,apic-id=0"],
    ["-object", "memory-backend-ram,id=pmr0,share=on,size=8"], ["-device", "virtio-vga,disable-legacy=on,disable-modern=off"],
]


def suite_line(args):
    """As libraries start it: qtest and QMP connect to sockets of theirs."""
    with tempfile.TemporaryDirectory() as folder:
        listeners = []
        for name in ("qtest", "qmp"):
            listeners.append(socket.socket(socket.AF_UNIX))
            listeners[-1].bind(f"{folder}/{name}")
            listeners[-1].listen()
            listeners[-1].settimeout(vm.LONG)
        command = [machine.PROGRAM, "-qtest", f"unix:{folder}/qtest", "-qtest-log", "/dev/null",
                   "-chardev", f"socket,path={folder}/qmp,id=char0", "-mon", "chardev=char0,mode=control",
                   "-display", "none", "-accel", "qtest", "-nodefaults", "-S", "-m", "64", *args]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT) as process:
            try:
                clients = [listener.accept()[0] for listener in listeners]
                qtest, qmp = (client.makefile("rwb", buffering=0) for client in clients)
                for client in clients:
                    client.settimeout(vm.LONG)
                tap.equal(b'"QMP"' in qmp.readline(), True, "the greeting")
                qmp.write(b'{"execute":"qmp_capabilities"}\n')
                tap.equal(qmp.readline(), b'{"return": {}}\r\n')
                qtest.write(b"endianness\n")
                tap.equal(qtest.readline(), b"OK little\n")
                qmp.write(b'{"execute":"quit"}\n')
                output = process.communicate(timeout=vm.LONG)[0].decode()
                tap.equal((process.returncode, "dimmable" in output), (0, False), output)
            except TimeoutError:
                process.kill()
                raise AssertionError(process.communicate()[0].decode()) from None
            finally:
                process.kill()


def preconfig_qtest():
    """qtest is served before there is a machine."""
    with machine.Machine(extra=["-preconfig"]) as box:
        tap.equal(box("endianness"), ["little"])
        box.qmp.command("x-exit-preconfig")
        box.write("b", 0x70, 0x38)
        tap.equal(box.read("b", 0x71), 0x30, "and drives the machine")


def help_version():
    """Programs look for the version in the first line of both."""
    for option in "-help", "-version":
        status, text = machine.run_program("-display", "none", option)
        tap.equal((status, text.startswith("QEMU emulator version 7.2.0 (dimmable ")), (0, True), option)


def accel_lists():
    """Engines that are not there are passed over, if another one follows."""
    status, text = machine.run_program("-M", "none,accel=kvm:tcg", "-S", "-nodefaults", "-display", "none",
                                       "-help")
    tap.equal(status, 0, text)
    with vm.Vm(machine.PROGRAM, accel="qtest", serial=False, extra=["-accel", "kvm"]) as box:
        tap.equal(box.qmp.command("query-status")["running"], True, "running")


def process_name():
    with machine.Machine(extra=["-name", "guest,process=as-asked"]) as box:
        with open(f"/proc/{box.process.pid}/comm", encoding="ascii") as comm:
            tap.equal(comm.read(), "as-asked\n")
        tap.equal(box.qmp.command("query-name"), {"name": "guest"})


def accel_help():
    for args, words in ((["-accel", "help"], ("kvm", "soft, tcg")),
                        (["-accel", "soft,help"], ("translate=off|on|all", "tb-size=", "one-insn-per-tb=",
                                                    "perf-map=")),
                        (["-accel", "tcg,help"], ("translate=off|on|all",)),
                        (["-accel", "kvm,help"], ("kernel-irqchip=on|off|split",))):
        status, text = machine.run_program(*args)
        tap.equal(status, 0, args)
        for word in words:
            if word not in text:
                raise AssertionError(f"no {word}: {text}")


def schema_help():
    """Options whose parameters, or kinds, "help" lists."""
    for name, words in (("display", "\nnone\negl-headless\nsdl\n"), ("smp", "\n  cpus=NUMBER "), ("boot", "\n  order=TEXT "),
                        ("tpmdev", "emulator"), ("rtc", "\n  clock=host|rt|vm "), ("spice", "\n  port=NUMBER "), ("global", "\n  driver=TEXT "),
                        ("fsdev", "security_model="), ("msg", "timestamp=on|off"), ("overcommit", "mem-lock=on|off"),
                        ("trace", "qdev_realize "), ("d", "\ntrace:PATTERN ")):
        for word in ("help", "?"):
            status, text = machine.run_program(f"-{name}", word)
            tap.equal((status, words in text), (0, True), text)
    status, text = machine.run_program("-device", "help")
    tap.equal((status, 'Controller/Bridge/Hub devices:\n' in text, 'name "virtio-blk-pci", bus PCI, alias "virtio-blk", desc ' in text), (0, True, True), text)


def chardev_help():
    for args, word in ((["-chardev", "help"], "ringbuf"), (["-chardev", "pipe,help"], "path=")):
        status, text = machine.run_program(*args)
        tap.equal((status, word in text), (0, True), text)
    refused(["-chardev", "tape,help"], "'tape' pipe")


def netdev_help():
    for args, word in ((["-netdev", "help"], "\nuser\n"), (["-netdev", "type=user,help"], "hostfwd="),
                       (["-netdev", "stream,?"], "server="), (["-nic", "model=help"], "\nvirtio-net-pci\n"), (["-nic", "model=help"], "Supported NIC models:\ne1000\n"),
                       (["-nic", "user,model=?"], "NIC models:"), (["-net", "nic,model=help"], "\nvirtio-net-pci\n")):
        status, text = machine.run_program(*args)
        tap.equal((status, word in text), (0, True), text)
    refused(["-netdev", "vde,help"], "vde stream")


def no_kernel():
    status, text = machine.run_program(*SOFT, "-machine", "firmware=off")
    tap.equal((status, "-kernel" in text and "firmware" in text), (1, True), text)
    with vm.Vm(machine.PROGRAM, accel="soft", serial=False, extra=["-S"]) as box:
        tap.equal(box.qmp.command("query-status")["status"], "prelaunch", "with -S")
        box.qmp.command("cont")
        tap.equal(box.qmp.command("query-status")["status"], "running", "after cont")
    with vm.Vm(machine.PROGRAM, accel="soft", serial=False, memory="128M", extra=["-M", "none"]) as box:
        tap.equal(box.qmp.command("query-status")["status"], "running", "no CPUs")


def pattern(box, addr, text):
    box(f"write {addr:#x} {len(text)} 0x{text.encode().hex()}")


def boot_ram_one():
    with tempfile.TemporaryDirectory() as folder:
        backend = f"memory-backend-file,id=pc.ram,size=64M,mem-path={folder}/ram,share=on"
        with machine.Machine(memory="64M,slots=8,maxmem=16G",
                             extra=["-object", backend, "-M", "pc,memory-backend=pc.ram"]) as box:
            pattern(box, 0x100000, "hello")
            with open(f"{folder}/ram", "rb") as file:
                file.seek(0x100000)
                tap.equal(file.read(5), b"hello", "in the file")
            try:
                box.qmp.command("object-del", id="pc.ram")
            except vm.QmpError as err:
                tap.equal("pc.ram" in err.desc, True, err.desc)
            else:
                raise AssertionError("boot RAM was deleted")
            plug_and_check(box)


def boot_ram_default():
    with machine.Machine(memory="64M,slots=8,maxmem=16G", extra=["-machine", "mem-merge=off"]) as box:
        tap.equal(box.qmp.command("query-memdev"), [
            {"id": "pc.ram", "size": 64 << 20, "merge": False, "dump": True, "prealloc": False,
             "share": False, "reserve": True, "host-nodes": [], "policy": "default"}], "backends")
        tap.equal({"name": "pc.ram", "type": "child<memory-backend-ram>"}
                  in box.qmp.command("qom-list", path="/objects"), True, "/objects")
        before = box.tree()
        for command, args in (("object-del", {"id": "pc.ram"}),
                              ("object-add", {"qom-type": "memory-backend-ram", "id": "pc.ram", "size": 4096}),
                              ("device_add", {**DIMM, "memdev": "pc.ram"})):
            try:
                box.qmp.command(command, **args)
            except vm.QmpError as err:
                tap.equal("pc.ram" in err.desc, True, err.desc)
            else:
                raise AssertionError(f"{command} with boot RAM")
        tap.equal(box.tree(), before, "what is there")
        plug_and_check(box)
    with machine.Machine(extra=["-M", "none"], memory="64M") as box:
        ram, = box.qmp.command("query-memdev")
        tap.equal((ram["id"], ram["size"]), ("ram", 64 << 20), "boot RAM of a machine without CPUs")
        box("writeb 0x3ffffff 0x5a")
        tap.equal((box("readb 0x3ffffff"), box("readb 0x4000000")), (["0x000000000000005a"], ["0x00000000000000ff"]))


def boot_ram_path():
    with tempfile.TemporaryDirectory() as folder:
        for path in (folder, f"{folder}/ram"):
            with machine.Machine(memory="64M", extra=["-mem-path", path, "-mem-prealloc", *RAM]) as box:
                found = {m["id"]: (m["prealloc"], m["share"]) for m in box.qmp.command("query-memdev")}
                tap.equal(found, dict.fromkeys(("pc.ram", "m0", "m1"), (True, False)), path)
                tap.equal({"name": "pc.ram", "type": "child<memory-backend-file>"}
                          in box.qmp.command("qom-list", path="/objects"), True, path)
        tap.equal(os.stat(f"{folder}/ram").st_size, 64 << 20, "the file")


def preconfig_merge():
    """What is set before the machine is made holds for its RAM."""
    with machine.Machine(memory="64M", extra=["-preconfig"]) as box:
        box.qmp.command("qom-set", path="/machine", property="mem-merge", value=False)
        box.qmp.command("x-exit-preconfig")
        found, = box.qmp.command("query-memdev")
        tap.equal((found["merge"], found["dump"]), (False, True))


def actions():
    with tempfile.TemporaryDirectory() as folder:
        path = config_file(folder, "[action]\n  reboot = \"reset\"\n  shutdown = \"pause\"\n")
        with machine.Machine(extra=["-action", "panic=none,reboot=shutdown", "-readconfig", path]) as box:
            box.write("w", 0x604, 0x2000)  # S5
            tap.equal(box.qmp.event("SHUTDOWN")["data"]["reason"], "guest-shutdown")
            box.qmp.event("STOP")
            tap.equal(box.qmp.command("query-status")["status"], "shutdown", "stays")
            box.write("b", 0x92, 1)
            box.qmp.event("RESET")
            group, = box.qmp.command("query-command-line-options", option="action")
            tap.equal({p["name"] for p in group["parameters"]}, {"reboot", "shutdown", "panic", "watchdog"})
    with machine.Machine(extra=["-no-reboot", "-action", "reboot=reset"]) as box:  # the last one holds
        box.write("b", 0x92, 1)
        box.qmp.event("RESET")
    with machine.Machine(extra=["-action", "reboot=shutdown"]) as box:
        box.write("b", 0x92, 1)
        tap.equal(box.qmp.event("SHUTDOWN")["data"]["reason"], "guest-reset")
        tap.equal(box.process.wait(vm.LONG), 0, "status")


def boot_ram_nodes():
    """Two nodes of 2 GiB each: the second begins below 4 GiB and goes on above."""
    with tempfile.TemporaryDirectory() as folder:
        extra = ["-smp", "4,sockets=2", "-numa", "node,nodeid=0,cpus=0,cpus=3,memdev=a",
                 "-numa", "node,nodeid=1,memdev=b", "-numa", "cpu,node-id=1,socket-id=0,core-id=1",
                 "-numa", "cpu,node-id=1,socket-id=1,core-id=0"]
        for ident in "ab":
            extra += ["-object", f"memory-backend-file,id={ident},size=2G,mem-path={folder}/{ident},share=on"]
        with machine.Machine(memory="4G,slots=8,maxmem=16G", extra=extra) as box:
            for addr, name, offset in ((0x1000, "a", 0x1000), (0x80000000, "b", 0),
                                       (0x100000000, "b", 1 << 30), (0x13ffff000, "b", (2 << 30) - 4096)):
                pattern(box, addr, "node!")
                with open(f"{folder}/{name}", "rb") as file:
                    file.seek(offset)
                    tap.equal(file.read(5), b"node!", hex(addr))
            # Across the border.
            pattern(box, 0x7ffffffe, "across")
            tap.equal(box("read 0x7ffffffe 6"), ["0x" + b"across".hex()], "across")
            box.qmp.command("system_reset")
            srat(box)


def srat(box):
    """Nodes of the SRAT's processors and memory, from the tables on disk."""
    tables = tempfile.mkdtemp()
    args = [arg for arg in box.args[1:]]
    for option in ("-qmp", "-qtest"):
        at = args.index(option)
        del args[at:at + 2]
    status, text = machine.run_program(*args, "-machine", f"dump-acpi={tables}")
    tap.equal(status, 0, text)
    with open(f"{tables}/srat.dat", "rb") as file:
        data = file.read()[48:]
    cpus, memory = {}, {}
    while data:
        kind, size = data[0], data[1]
        if kind == 0:
            cpus[data[3]] = data[2]
        elif kind == 1 and not data[28] & 2:
            node = int.from_bytes(data[2:6], "little")
            memory[node] = memory.get(node, 0) + int.from_bytes(data[16:24], "little")
        data = data[size:]
    tap.equal(cpus, {0: 0, 1: 1, 2: 1, 3: 0}, "nodes of APIC ids")
    # The legacy hole below 1 MiB is no memory.
    tap.equal(memory, {0: (2 << 30) - 0x60000, 1: 2 << 30}, "memory of nodes")


# ---- Ctrl-C ----

def interrupted(args, until, what):
    """SIGINT while the program starts: it tidies up and says why it ends."""
    process = subprocess.Popen([machine.PROGRAM, *BASE, *args], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    vm.wait_until(lambda: until(process) or process.poll() is not None, what)
    process.send_signal(signal.SIGINT)
    text = process.communicate(timeout=vm.LONG)[0].decode()
    tap.equal((process.returncode, "interrupted" in text and what in text), (1, True), text)


def interrupt_wait():
    with tempfile.TemporaryDirectory() as folder:
        interrupted(["-pidfile", f"{folder}/pid", "-qmp", f"unix:{folder}/qmp,server=on,wait=on"],
                    lambda process: os.path.exists(f"{folder}/qmp"), "waiting for a client")
        tap.equal(os.listdir(folder), [], "files that are left")


def main():
    tests = [(" ".join(args), lambda a=args, w=words: refused(a, w)) for args, words in REFUSED]
    tests += [("suite: " + " ".join(args), lambda a=args: suite_line(a)) for args in SUITES]
    tests += [(function.__name__, function) for function in (
        readconfig, globals_apply, globals_unknown, globals_of_cpus, globals_unused, nested_keys, json_everywhere, floppy_check, preconfig_qtest, add_fd, messages, sandbox, sandbox_with_cpus,
        sandbox_daemon, daemon_nographic, usb, audio, mem_lock, mem_locked, core_dump, rtc, accepted, accel_lists, help_version, accel_help, process_name, chardev_help, schema_help, netdev_help, no_kernel,
        boot_ram_default, boot_ram_path, preconfig_merge, boot_ram_one, boot_ram_nodes, actions, interrupt_wait)]
    tap.run(tests)


main()
