# The disk of a machine that is to run in KubeVirt.
server vm.img 256M
