#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes the certificates that tests and bench use, with the openssl program:  tests/certificates.sh FOLDER
#
#   ca.pem other.pem      two authorities; the rest is signed by the first one, for localhost, 127.0.0.1 and ::1
#   good expired early    NAME.pem and NAME.key: valid; until 2020; from 2090 on
#   elsewhere             for other hosts than this one
#   self                  signed by itself
#   chain                 by an authority below ca.pem, with that one's certificate in the file
#   client                of a client; client.pem holds the key, too
set -eu
mkdir -p "$1"
cd "$1"

cat >openssl.cnf <<'END'
[ca]
default_ca = tests
[tests]
database = index.txt
serial = serial.txt
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = none
[none]
[authority]
basicConstraints = critical, CA:true
keyUsage = keyCertSign
subjectKeyIdentifier = hash
[here]
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
[elsewhere]
subjectAltName = DNS:one.example, DNS:two.example, IP:192.0.2.1
END

new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null; }
alone() { # NAME EXTENSIONS: signed by itself
    new_key "$1"
    openssl req -config openssl.cnf -x509 -new -key "$1.key" -subj "/CN=$1 of the tests" -days 3000 -extensions "$2" -out "$1.pem"
}
signed() { # NAME BY EXTENSIONS START END
    new_key "$1"
    openssl req -config openssl.cnf -new -key "$1.key" -subj "/CN=$1 of the tests" -out "$1.csr"
    openssl ca -config openssl.cnf -batch -notext -cert "$2.pem" -keyfile "$2.key" -extensions "$3" -startdate "$4" -enddate "$5" \
        -in "$1.csr" -out "$1.pem" 2>/dev/null
}

: >index.txt
echo 1000 >serial.txt
alone ca authority
alone other authority
alone self here
signed good ca here 20200101000000Z 20900101000000Z
signed expired ca here 20190101000000Z 20200101000000Z
signed early ca here 20900101000000Z 20910101000000Z
signed elsewhere ca elsewhere 20200101000000Z 20900101000000Z
signed below ca authority 20200101000000Z 20900101000000Z
signed chain below here 20200101000000Z 20900101000000Z
cat below.pem >>chain.pem
signed client ca here 20200101000000Z 20900101000000Z
cat client.key >>client.pem
