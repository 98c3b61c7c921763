import t from 'tap';
import { childText, escapeXml, parseXml, xmlElement, xmlFaults } from './xml.ts';

const parse = (text: string) => parseXml(Buffer.from(text));

t.test('reads elements, text, namespaces and references', async (t) => {
  const root = parse(
    '<?xml version="1.0"?><!-- c --><Delete xmlns="http://x/"><Quiet>true</Quiet>\n<a:Object xmlns:a="u"><Key> a &amp;&lt;b&#x20;&#10;é </Key></a:Object></Delete>',
  );
  t.equal(root.name, 'Delete');
  t.equal(childText(root, 'Quiet'), 'true');
  t.equal(childText(root.children[1]!, 'Key'), ' a &<b \né ');
  t.equal(parse('<A><![CDATA[<x>&amp;]]></A>').text, '<x>&amp;');
  t.equal(parse('<A/>').text, '');
  t.equal(parse('<A><B>0012</B></A>').children[0]!.text, '0012', 'no numbers made of text');
});

t.test('refuses what is malformed or dangerous', async (t) => {
  const bomb = '<!DOCTYPE a [<!ENTITY b "xx"><!ENTITY c "&b;&b;">]><A>&c;</A>';
  const deep = `${'<A>'.repeat(40)}${'</A>'.repeat(40)}`;
  for (const text of [
    '',
    ' ',
    'x',
    '<A>',
    '<A></B>',
    '<A/><B/>',
    bomb,
    deep,
    '<A>&nope;</A>',
    '<A>&</A>',
    '<A>&#0;</A>',
    '<A>\0</A>',
    '<a::b xmlns:a="u"/>',
    '<A>&#xD800;</A>',
    '<A>&amp</A>',
    '<A>&constructor;</A>',
    '<A',
    '<!DOCTYPE x SYSTEM "file:///etc/passwd"><A/>',
  ]) {
    t.throws(() => parse(text), { code: xmlFaults.malformed }, JSON.stringify(text.slice(0, 40)));
  }
  t.throws(() => parseXml(Buffer.from([0x3c, 0x41, 0x3e, 0xff, 0x3c, 0x2f, 0x41, 0x3e])), {
    code: xmlFaults.malformed,
  });
});

t.test('escapes what it writes', async (t) => {
  t.equal(escapeXml('plain/é'), 'plain/é');
  t.equal(escapeXml(`<&>"'\r\u0001`), '&lt;&amp;&gt;&quot;&apos;&#xd;&#x1;');
  t.equal(xmlElement('Size', 3) + xmlElement('Key', 'a<'), '<Size>3</Size><Key>a&lt;</Key>');
  t.equal(parse(xmlElement('Key', `<&>"' \t`)).text, `<&>"' \t`, 'reads back');
});
