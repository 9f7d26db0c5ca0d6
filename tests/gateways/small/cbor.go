package main

import "encoding/binary"

// head writes the head of an item (RFC 8949, section 3) in its shortest form.
func head(out []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(out, major<<5|byte(n))
	case n < 1<<8:
		return append(out, major<<5|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(out, major<<5|25), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(out, major<<5|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(out, major<<5|27), n)
}

// encode writes uint64, string, []any, and a message's fields in the order of their numbers.
func encode(out []byte, value any) []byte {
	switch v := value.(type) {
	case uint64:
		return head(out, 0, v)
	case string:
		return append(head(out, 3, uint64(len(v))), v...)
	case []any:
		out = head(out, 4, uint64(len(v)))
		for _, each := range v {
			out = encode(out, each)
		}
		return out
	case fields:
		out = head(out, 5, uint64(len(v)))
		for number, each := range v {
			out = encode(head(out, 0, uint64(number)), each)
		}
		return out
	}
	panic("no such item is sent")
}

type fields []any

// decode reads one item; maps with other keys than numbers are passed over.
func decode(in []byte) (any, []byte) {
	major, info := in[0]>>5, uint64(in[0]&31)
	in = in[1:]
	if info >= 24 && info < 28 && major != 7 {
		size := 1 << (info - 24)
		info = 0
		for _, each := range in[:size] {
			info = info<<8 | uint64(each)
		}
		in = in[size:]
	} else if major == 7 && info >= 24 {
		return nil, in[1<<(info-24):]
	}
	switch major {
	case 0:
		return info, in
	case 2, 3:
		if major == 2 {
			return in[:info:info], in[info:]
		}
		return string(in[:info]), in[info:]
	case 4:
		list := []any{}
		for ; info > 0; info-- {
			var item any
			item, in = decode(in)
			list = append(list, item)
		}
		return list, in
	case 5:
		found := map[uint64]any{}
		for ; info > 0; info-- {
			var key, item any
			key, in = decode(in)
			item, in = decode(in)
			if number, ok := key.(uint64); ok {
				found[number] = item
			}
		}
		return found, in
	}
	return info, in
}
